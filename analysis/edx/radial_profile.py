"""Composition against distance from a particle's centre (paper 000, Methods), and whether its surface differs.

Spectra are summed over rings before anything is fitted, so that a ring's error is that of its counts. A projection sees
the core through the shell: near the centre it shows both, only the outermost ring is surface alone. For a ball the
shells can be taken apart again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.alloying.two_phase import main_body
from analysis.edx.composition import Composition, composition
from analysis.edx.k_factors import KFactors
from analysis.edx.line_fit import LineFit, LineModel, fit_lines
from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.x_ray_lines import LineFamily

RING_NM = 0.5
_CORE, _SURFACE_NM = 0.5, 1.0
"""Rings within this part of the radius are the core; those of the outermost nm, which few counts fill, the surface."""
_CLAIM_SIGMAS = 3.0


@dataclass(frozen=True)
class RadialProfile:
    """Rings from the centre outwards, as far as some line can be quantified."""

    centre_px: tuple[float, float]
    radius_nm: NDArray[np.float64]
    """Middle of each ring."""
    rings: Composition
    fit: LineFit
    core: NDArray[np.float64]
    """Fractions within half the radius, as projected."""
    core_std: NDArray[np.float64]
    """By counting; the k-factors' error is common to core and surface."""
    surface: NDArray[np.float64]
    """Fractions in the outermost 1 nm."""
    surface_std: NDArray[np.float64]

    @property
    def difference_sigmas(self) -> NDArray[np.float64]:
        """Surface less core of each line's element, in standard deviations."""
        return np.asarray((self.surface - self.core) / np.hypot(self.surface_std, self.core_std))

    def in_words(self, elements: list[str]) -> str:
        """Which elements the surface has more of, or that none is seen to be."""
        sigmas = self.difference_sigmas
        more = [n for n, s in enumerate(sigmas) if s > _CLAIM_SIGMAS]
        if not more:
            return f"no difference between core and surface is seen ({np.abs(sigmas).max():.1f} sigma at most)"
        told = (
            f"{elements[n]} by {100 * (self.surface - self.core)[n]:.1f} +- "
            f"{100 * np.hypot(self.surface_std, self.core_std)[n]:.1f} at% ({sigmas[n]:.1f} sigma)"
            for n in more
        )
        return f"the surface has more {', '.join(told)}, as projected"


def radial_profile(
    image: SpectrumImage, mask: NDArray[np.bool_], model: LineModel, factors: KFactors, *, ring_nm: float = RING_NM
) -> RadialProfile | None:
    """The profile of the largest particle under a mask (y, x); nothing when fewer than two rings can be quantified."""
    body = main_body(mask)
    centre_px, distance_nm = distances(image, body, model.families[: len(factors.lines)])
    ring = np.where(mask & ~body, -1, np.floor(distance_nm / ring_nm)).astype(int)
    reach = int(ring[body].max()) + 3
    spectra = np.stack([image.spectrum_of(ring == n) for n in range(reach)])
    fit = fit_lines(model, spectra)
    rings = composition(fit, factors)
    told = np.atleast_1d(rings.above_limit.any(axis=1))
    first = int(np.argmax(told))
    good = first + int(np.argmin(np.append(told[first:], False)))
    if good - first < 2:
        return None
    radius_nm = ring_nm * np.arange(0.5, good, dtype=np.float64)
    inner = max(1, int(np.sum(radius_nm < _CORE * radius_nm[-1])))
    outer = max(inner, good - max(1, round(_SURFACE_NM / ring_nm)))
    ends = np.stack([spectra[:inner].sum(axis=0), spectra[outer:good].sum(axis=0)])
    core, surface = range(2)
    parts = composition(fit_lines(model, ends), factors)
    return RadialProfile(
        centre_px=centre_px,
        radius_nm=radius_nm,
        rings=rings.of(slice(good)),
        fit=fit.of(slice(good)),
        core=parts.fractions[core],
        core_std=parts.counting_std[core],
        surface=parts.fractions[surface],
        surface_std=parts.counting_std[surface],
    )


def distances(
    image: SpectrumImage, mask: NDArray[np.bool_], families: Sequence[LineFamily]
) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """Centre (y, x) of a particle by its lines' counts under its mask, and every pixel's distance from it in nm."""
    from scipy.ndimage import center_of_mass

    y, x = center_of_mass(np.where(mask, image.lines_map(families), 0.0))
    rows, columns = np.indices(mask.shape)
    return (float(y), float(x)), image.pixel_nm * np.hypot(rows - y, columns - x)


def shells(
    profile: RadialProfile, factors: KFactors, ring_nm: float = RING_NM
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fractions (shell, line) of a ball's shells and their counting errors: the rings' counts, taken apart.

    A ring sees of each shell the volume in which a hollow cylinder cuts a hollow ball.
    """
    n = len(profile.radius_nm)
    edges = ring_nm * np.arange(n + 1, dtype=np.float64)
    seen = _seen(edges)
    inverse = np.linalg.inv(seen)
    lines = len(factors.lines)
    k = np.exp(factors.ln_k)
    amounts = inverse @ (profile.fit.counts[:, :lines] * k)
    covariance = np.einsum("sr,rij,sr,i,j->sij", inverse, profile.fit.covariance[:, :lines, :lines], inverse, k, k)
    total = amounts.sum(axis=1, keepdims=True)
    fractions = amounts / total
    by = (np.eye(lines) - fractions[:, :, None]) / total[:, :, None]
    variance = np.einsum("nij,njk,nik->ni", by, covariance, by)
    return fractions, np.sqrt(np.maximum(variance, 0.0))


def _seen(edges_nm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(ring, shell): volume of a shell over a ring, both between the same radii."""
    out = edges_nm[None, :] ** 2
    cut = np.maximum(out - edges_nm[:, None] ** 2, 0.0) ** 1.5 * (4.0 * np.pi / 3.0)
    # cut[r, s] is the part of a ball of radius s beyond distance r from the axis.
    beyond = np.diff(cut, axis=1)
    return np.asarray(beyond[:-1] - beyond[1:])
