"""D of one particle from all its states so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.alloying.curve_fit import fit_diffusivity
from analysis.diffusion.arrhenius import Followed
from analysis.diffusion.diffusivity_fit import DiffusivityFit
from analysis.diffusion.joint_fit import TOO_VAGUE, fit_joint, floor_ln_std
from analysis.diffusion.uncertainty import Uncertainty
from analysis.live.diffusivity_words import contradiction_of, quality_of, taken_into_account
from analysis.live.fitted_state import FittedState
from analysis.results import (
    Diffusivity,
    DiffusivityOfComposition,
    DiffusivityResult,
    Estimate,
    IntervalDiffusivity,
    Share,
)
from analysis.unheated.reference import SURFACE_PX, Reference

_CURVE_SURFACE_PX = 0.024
"""What is open of the particle's surface in `curve`: by the voxel grid, and of the reconstruction's."""
_LEAST_SHARE = 1e-4
DISAGREEMENT = "the two ways to D disagree"
RESHAPED_DEGREE_STD = 0.1
"""How well the degree of alloying of a particle in a new shape is known."""
_DEGREE_END = 0.01
"""So close to none or all, a degree bounds D on one side only."""


def diffusivity_of(
    particle: str,
    reference: Reference,
    heated: list[FittedState],
    uncertainty: Uncertainty,
    q_j_per_mol: float | None,
    *,
    simulated: bool,
    straight: bool = False,
) -> DiffusivityResult:
    """D by maximum likelihood of the projections, by the alloying curve, and interval by interval.

    States after the particle lost its shape do not count; when none kept it, D is only bounded.
    """
    every, words = heated, []
    keeping = next((k for k, h in enumerate(heated) if h.reshaped), len(heated))
    heated = every[: max(keeping, 1)]
    if 0 < keeping < len(every):
        words.append(f"D is from the {keeping} states before the particle reshaped")
    temperatures = tuple(sorted({round(p.temperature_c, 1) for h in heated for p in h.header.heat}))
    seconds = _seconds(heated, temperatures, reference)
    degree = np.array([h.degree for h in heated])
    surface, curve_surface = (_surface_ln_std(reference, px) for px in (SURFACE_PX, _CURVE_SURFACE_PX))
    by_curve = fit_diffusivity(
        reference.curve,
        seconds,
        temperatures,
        degree,
        surface_ln_std=curve_surface,
        level_degree=reference.level_degree,
        artefact_degree=np.array([h.artefact_degree for h in heated]),
    )
    fit = joint_fit_of(reference, heated, straight=straight)
    contradiction = contradiction_of(reference, heated) if keeping else ""
    if keeping == 0:
        within, d_m2_per_s = _range_of(reference, heated[0])
        words.append(
            "lattice diffusion does not describe a particle that reshapes; "
            f"its first heated state only tells D {within}"
        )
        fit = by_curve = _only_bounded(by_curve, d_m2_per_s)
    elif contradiction:
        words.append(contradiction)
        fit, by_curve = _only_bounded(fit), _only_bounded(by_curve)
    outside = uncertainty.budget(temperatures, heated[-1].header.heat, q_j_per_mol)
    outside |= _disagreement(fit, by_curve)
    told = followed(particle, reference, every)
    total = np.array([sum(p.duration_s for p in h.header.heat) for h in heated])
    draw_s = np.linspace(0.0, float(total.max()), 60)
    times = np.stack([np.interp(draw_s, np.r_[0.0, total], np.r_[0.0, s]) for s in seconds.T], axis=1)
    curve = reference.curve.degree(times @ (fit.d_m2_per_s * 1e18))
    return DiffusivityResult(
        particle=particle,
        window=every[0].header.window,
        states=len(every),
        diffusivities=_diffusivities(fit, _response(reference) | dict(fit.budget) | outside, reference.first_ln_std),
        by_curve=_diffusivities(by_curve, outside),
        heated_s=tuple(float(t) for t in total),
        measured=tuple(
            reference.estimate(
                h.degree, h.artefact_degree, h.told_ln_tau, counts=h.state.counts_over(reference.measurement.tilts)
            )
            for h in heated
        ),
        uncorrected=tuple(float(d / degree[-1]) if degree[-1] > 0 else 0.0 for d in degree),
        d_of_c=_d_of_c(reference, fit),
        by_interval=_by_interval(heated, seconds.sum(axis=1), surface) if keeping and not contradiction else (),
        seconds=tuple(float(s) for s in seconds[-1]),
        tau_nm2=tuple(float(np.exp(x)) for x in told.ln_tau),
        tau_ln_std=tuple(float(x) for x in told.total_ln_std),
        course_tau_nm2=tuple(float(x) for x in reference.curve.tau_nm2),
        course_degree=reference.course,
        course_measured=tuple(float(x) for x in reference.curve.degrees),
        curve_s=tuple(float(t) for t in draw_s),
        curve=tuple(float(c) for c in curve),
        quality=quality_of(
            fit,
            by_curve,
            words,
            reference.problems,
            [p for h in every for p in h.problems],
            explained=not keeping or bool(contradiction),
        ),
        taken_into_account=tuple(taken_into_account(reference, heated, fit)),
        simulated=simulated,
    )


def _disagreement(fit: DiffusivityFit, by_curve: DiffusivityFit) -> dict[str, NDArray[np.float64]]:
    """Of ln D, where both ways to D differ by more than their errors: their difference over the root of two.

    What sets them apart is in the model that both share, and either is as likely to be right: so far off is the one.
    """
    own = sum(v**2 for v in fit.budget.values())
    variance = own + sum((f.std_m2_per_s / f.d_m2_per_s) ** 2 for f in (fit, by_curve))
    apart = np.log(fit.d_m2_per_s / by_curve.d_m2_per_s)
    with np.errstate(invalid="ignore"):
        beyond = np.where(apart**2 > 4.0 * variance, np.sqrt(0.5) * np.abs(apart), 0.0)
    return {DISAGREEMENT: np.where(np.isfinite(beyond), beyond, 0.0)}


def _response(reference: Reference) -> dict[str, NDArray[np.float64]]:
    """Of ln D, by what the first series leaves open of the response and of the interface."""
    return {"response and interface": np.atleast_1d(reference.response_ln_std)}


def _d_of_c(reference: Reference, fit: DiffusivityFit) -> DiffusivityOfComposition | None:
    """How D changes with composition, where the states tell it."""
    if fit.shared is None or fit.shared_std is None:
        return None
    (slope, peak), (slope_std, peak_std) = fit.shared[1:], fit.shared_std[1:]
    return DiffusivityOfComposition(
        Estimate(float(slope), float(slope_std)),
        Estimate(float(peak), float(peak_std)),
        reference.measurement.particle.core_fraction,
        fit.bent,
    )


def keeping_shape(heated: list[FittedState]) -> list[FittedState]:
    """The states before the particle lost its shape; the first one when none kept it."""
    return heated[: max(next((k for k, h in enumerate(heated) if h.reshaped), len(heated)), 1)]


def joint_fit_of(reference: Reference, heated: list[FittedState], *, straight: bool = False) -> DiffusivityFit:
    """D, and what all states share, of these."""
    temperatures = tuple(sorted({round(p.temperature_c, 1) for h in heated for p in h.header.heat}))
    return fit_joint(
        _seconds(heated, temperatures, reference),
        temperatures,
        [h.state for h in heated],
        np.array([reference.trajectory.degree_slope(h.state.ln_tau) for h in heated]),
        surface_ln_std=_surface_ln_std(reference, SURFACE_PX),
        straight=straight,
    )


def followed(particle: str, reference: Reference, heated: list[FittedState]) -> Followed:
    """How far the particle has diffused in each state, for comparison with other particles."""
    kept = [h for h in heated if not h.reshaped]
    if contradiction_of(reference, kept):
        kept = []
    temperatures = tuple(sorted({round(p.temperature_c, 1) for h in kept for p in h.header.heat}))
    ln_tau = np.array([h.state.ln_tau for h in kept])
    ln_std = np.array([h.state.misfit_ln_std for h in kept])
    floor = floor_ln_std(np.array([reference.trajectory.degree_slope(t) for t in ln_tau]))
    told = np.hypot(ln_std, floor) < TOO_VAGUE
    return Followed(
        particle=particle,
        window=heated[0].header.window,
        temperatures_c=temperatures,
        seconds=_seconds(kept, temperatures, reference)[told],
        ln_tau=ln_tau[told],
        ln_std=ln_std[told],
        shared_ln_std=_surface_ln_std(reference, SURFACE_PX),
        floor_ln_std=floor[told],
        pulses=heated[-1].header.heat,
    )


def _surface_ln_std(reference: Reference, px: float) -> float:
    """Of ln D, by the unheated particle: what its own series leaves open, and what the grid does to its surface."""
    return float(np.hypot(px * reference.per_surface_px, reference.first_ln_std))


def _range_of(reference: Reference, first: FittedState) -> tuple[str, float]:
    """What a reshaped state, its degree of alloying known only roughly, says of D: in words, and a value inside."""
    seconds = sum(p.duration_s for p in first.header.heat)
    low, high = first.degree - RESHAPED_DEGREE_STD, first.degree + RESHAPED_DEGREE_STD
    least, most = (1e-18 * reference.curve.tau_at(float(np.clip(a, 0.0, 1.0))) / seconds for a in (low, high))
    if high >= 1.0 - _DEGREE_END:
        return f"above {least:.1g} m2/s", least
    if low <= _DEGREE_END:
        return f"below {most:.1g} m2/s", most
    return f"between {least:.1g} and {most:.1g} m2/s", float(np.sqrt(least * most))


def _only_bounded(fit: DiffusivityFit, d_m2_per_s: float | None = None) -> DiffusivityFit:
    none = np.full_like(fit.std_m2_per_s, np.inf)
    d = fit.d_m2_per_s if d_m2_per_s is None else np.full_like(none, d_m2_per_s)
    return replace(fit, d_m2_per_s=d, std_m2_per_s=none, saturated=True, noise_ln_std=None)


def _diffusivities(
    fit: DiffusivityFit, budget: Mapping[str, NDArray[np.float64]], first_ln_std: float = 0.0
) -> tuple[Diffusivity, ...]:
    by_noise = fit.noise_ln_std
    bounds = [None] * len(fit.d_m2_per_s) if by_noise is None else np.hypot(by_noise, first_ln_std) * fit.d_m2_per_s
    shares = []
    for place in range(len(fit.d_m2_per_s)):
        parts = {cause: float(np.broadcast_to(v, fit.d_m2_per_s.shape)[place]) for cause, v in budget.items()}
        own = sorted((Share(c, p) for c, p in parts.items() if p > _LEAST_SHARE), key=lambda s: -s.part)
        shares.append(tuple(own) if np.isfinite(fit.std_m2_per_s[place]) else ())
    return tuple(
        Diffusivity(
            t, float(d), float(s), float(d) * sum(x.part**2 for x in own) ** 0.5, own, None if b is None else float(b)
        )
        for t, d, s, own, b in zip(fit.temperatures_c, fit.d_m2_per_s, fit.std_m2_per_s, shares, bounds, strict=True)
    )


def _by_interval(
    heated: list[FittedState], counted_s: NDArray[np.float64], surface_ln_std: float
) -> tuple[IntervalDiffusivity, ...]:
    """D of every interval by itself, as Chen et al. do: it starts at the state measured before it."""
    found = []
    tau, tau_std, start_s, known = 0.0, 0.0, 0.0, 0
    for h, seconds in zip(heated, np.diff(counted_s, prepend=0.0), strict=True):
        pulses = h.header.heat
        end_s = sum(p.duration_s for p in pulses)
        new = pulses[known:]
        now = float(np.exp(h.state.ln_tau))
        now_std = now * h.state.ln_std if np.isfinite(h.state.ln_std) else np.inf
        temperatures = {round(p.temperature_c, 1) for p in new}
        if end_s > start_s and len(temperatures) == 1:
            value = (now - tau) / float(seconds)
            std = float(np.hypot(np.hypot(now_std, tau_std) / seconds, surface_ln_std * value))
            found.append(IntervalDiffusivity(temperatures.pop(), start_s, end_s, value * 1e-18, std * 1e-18))
        tau, tau_std, start_s, known = now, now_std, end_s, len(pulses)
    return tuple(found)


def _seconds(
    heated: Sequence[FittedState], temperatures: tuple[float, ...], reference: Reference
) -> NDArray[np.float64]:
    """(state, temperature) seconds so far, as long as they were for a particle of the first size.

    Ways get shorter while it loses volume, and D t over their square counts.
    """
    found = np.zeros((len(heated), len(temperatures)))
    known, before = 0, 1.0
    for state, h in enumerate(heated):
        shorter = h.volume_left(reference.measurement.particle) ** (-2.0 / 3.0)
        for pulse in h.header.heat[known:]:
            place = temperatures.index(round(pulse.temperature_c, 1))
            found[state:, place] += 0.5 * (before + shorter) * pulse.duration_s
        known, before = len(h.header.heat), shorter
    return found
