"""What is said of a particle's D: its quality, what was taken into account, and why there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from analysis.diffusion.diffusivity_fit import DiffusivityFit
from analysis.diffusion.state_slopes import HOLLOW
from analysis.live.fitted_state import FittedState
from analysis.unheated.reference import Reference

_TURNED_DEG, _LOST, _ROUNDED_PX = 0.5, 0.005, 0.3
"""From which a change is told in words."""
_WORST_SCATTER = 0.03
_CONTRADICTED = 0.2
"""Mean difference of the degrees of alloying by the projections and by the reconstruction, above which neither is
believed."""
_NUMBER = re.compile(r"[+-]?\d[\d.]*")


def contradiction_of(reference: Reference, heated: list[FittedState]) -> str:
    """Where projections and reconstructions tell of two different particles, in words: then D is neither's."""
    # A state that looks unheated, or fully alloyed, only bounds D: a claim as well, and not one to trust when missed.
    told = [h for h in heated if h.told_ln_tau is not None or h.state.missed]
    if not told:
        return ""
    by_projections = reference.curve.degree(np.exp([h.state.ln_tau for h in told]))
    by_reconstruction = np.array([h.degree for h in told])
    if float(np.mean(np.abs(by_projections - by_reconstruction))) < _CONTRADICTED:
        return ""
    worst = int(np.argmax(np.abs(by_projections - by_reconstruction)))
    seconds = sum(p.duration_s for p in told[worst].header.heat)
    return (
        f"no D: after {seconds:.4g} s the particle is {100 * by_projections[worst]:.0f} % alloyed by its projections "
        f"and {100 * by_reconstruction[worst]:.0f} % by its reconstruction, so neither tells"
    )


def taken_into_account(reference: Reference, heated: list[FittedState], fit: DiffusivityFit) -> Iterator[str]:
    """What is not as in a book and was found in the projections, in words."""
    model = reference.measurement.particle
    if "response" in reference.nuisances:
        yield f"the strongest signal is {100 * model.response.curvature:.1f} % too low: attenuation, or the detector"
    if "interface" in reference.nuisances:
        sigma_nm = reference.pixel_nm * float(np.sqrt(2.0 * model.mixed_px2))
        yield f"the interface was {sigma_nm:.1f} nm wide (one sigma) before any heat"
    changes = [h.state.point.change for h in heated if h.state.causes]
    if (turned := max((c.turned_deg for c in changes), default=0.0)) > _TURNED_DEG:
        yield f"the particle turned by up to {turned:.1f} deg"
    lost = 1.0 - min(h.volume_left(model) for h in heated)
    if lost > _LOST:
        yield f"it lost up to {100 * lost:.1f} % of its volume"
    if (rounded := max((float(np.abs(c.moved_px[1:]).max()) for c in changes), default=0.0)) > _ROUNDED_PX:
        yield f"its edges moved by up to {reference.pixel_nm * rounded:.1f} nm"
    if voids := [h.state.point.change.void for h in heated if HOLLOW in h.state.causes]:
        widest_px = max(void.radius_px for void in voids if void is not None)
        yield f"a void of up to {2.0 * reference.pixel_nm * widest_px:.1f} nm opened in it"
    if fit.bent and fit.shared is not None:
        yield (
            f"equal parts shine {100 * fit.shared[0]:+.1f} % of the metals' difference beside their mean, ln D changes "
            f"by {fit.shared[1]:+.2f} per unit of composition and peaks by {fit.shared[2]:+.2f}"
        )


def quality_of(fit: DiffusivityFit, by_curve: DiffusivityFit, *problems: list[str], explained: bool) -> str:
    found = [p for group in problems for p in group]
    if fit.saturated and not explained:
        found.append("D is only bounded: no state between unalloyed and fully alloyed")
    if by_curve.scatter > _WORST_SCATTER:
        found.append(
            f"the diffusion curve misses the data by {by_curve.scatter:.3f}: lattice diffusion alone may not hold"
        )
    return "good" if not found else "poor: " + "; ".join(_once(found))


def _once(problems: Sequence[str]) -> Iterator[str]:
    """Of sentences that differ in their numbers alone the first, and of how many more series it is so."""
    alike: dict[str, list[str]] = {}
    for words in dict.fromkeys(problems):
        alike.setdefault(_NUMBER.sub("#", words), []).append(words)
    for first, *more in alike.values():
        yield first + (f" (and the like of {len(more)} more series)" if more else "")
