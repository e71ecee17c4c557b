"""Composition against distance from a particle's centre, after Moreira et al., Small 2024; whether its surface differs.

Spectra are summed over rings before anything is fitted, so that a ring's error is that of its counts. A projection sees
the core through the shell: near the centre it shows both, only the outermost ring is surface alone. For a ball the
shells can be taken apart again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.edx.composition import Composition, composition, fractions_of, roots
from analysis.edx.k_factors import KFactors
from analysis.edx.lines.fit import LineFit, fit_sums
from analysis.edx.lines.model import LineModel
from analysis.edx.shell_thickness import shell_thickness
from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.x_ray_lines import LineFamily
from analysis.images.main_body import main_body
from analysis.results import Estimate

RING_NM = 0.5
_CORE, _SURFACE_NM = 0.5, 1.0
"""Rings within this part of the radius are the core; those of the outermost nm, which few counts fill, the surface."""
_CLAIM_SIGMAS = 3.0
_BEYOND = 3
"""Rings beyond the particle's own: they hold what a threshold left out."""
_SEEN_SIGMAS = 3.0


@dataclass(frozen=True)
class RadialProfile:
    """Rings from the centre outwards, as far as some line can be quantified."""

    centre_px: tuple[float, float]
    ring_nm: float
    radius_nm: NDArray[np.float64]
    """Middle of each ring."""
    rings: Composition
    core: NDArray[np.float64]
    """Fractions within half the radius, as projected."""
    core_std: NDArray[np.float64]
    """By counting; the k-factors' error is common to core and surface."""
    surface: NDArray[np.float64]
    """Fractions in the outermost 1 nm."""
    surface_std: NDArray[np.float64]
    shells: NDArray[np.float64]
    """(ring, line): fractions of a ball's shells of the same radii; not a number where too little is left to tell."""
    shells_std: NDArray[np.float64]
    """By counting."""
    shell_nm: Estimate | None
    """Thickness of an even shell around an even core; None where no difference between them is seen."""

    @property
    def difference_sigmas(self) -> NDArray[np.float64]:
        """Surface less core of each line's element, in standard deviations."""
        return np.asarray((self.surface - self.core) / np.hypot(self.surface_std, self.core_std))

    def in_words(self, elements: Sequence[str]) -> str:
        """Which elements the surface has more or less of, or that no difference is seen."""
        sigmas = self.difference_sigmas
        claimed = [n for n, s in enumerate(sigmas) if abs(s) > _CLAIM_SIGMAS]
        if not claimed:
            return f"no difference between core and surface is seen ({np.abs(sigmas).max():.1f} sigma at most)"
        told = (
            f"{'more' if sigmas[n] > 0.0 else 'less'} {elements[n]}, by "
            f"{100 * abs(self.surface - self.core)[n]:.1f} +- "
            f"{100 * np.hypot(self.surface_std, self.core_std)[n]:.1f} at% ({abs(sigmas[n]):.1f} sigma)"
            for n in claimed
        )
        shell = "" if self.shell_nm is None else f", in a shell of {self.shell_nm} nm if it is even"
        return f"the surface has {'; '.join(told)}; as projected{shell}"


def radial_profile(
    image: SpectrumImage,
    mask: NDArray[np.bool_],
    model: LineModel,
    factors: KFactors,
    within: NDArray[np.bool_] | None = None,
    *,
    shell: bool = True,
) -> RadialProfile | None:
    """The profile of the largest particle under a mask (y, x); nothing when fewer than two rings can be quantified.

    Parameters
    ----------
    within : pixels (y, x) that may be used; by default all
    shell : also tell how thick the shell is, which takes a fraction of a second
    """
    lines = len(factors.lines)
    centre_px, ring, ring_nm = rings_around(image, main_body(mask), mask, model.families[:lines], within)
    reach = int(ring.max()) + 1
    spectra = np.stack([image.spectrum_of(ring == n) for n in range(reach)])
    pixels = np.array([float(np.sum(ring == n)) for n in range(reach)])
    return profile_of(image, model, factors, spectra, pixels, centre_px, ring_nm, shell=shell)


def profile_of(
    image: SpectrumImage,
    model: LineModel,
    factors: KFactors,
    spectra: NDArray[np.float64],
    pixels: NDArray[np.float64],
    centre_px: tuple[float, float],
    ring_nm: float,
    *,
    shell: bool,
) -> RadialProfile | None:
    """The profile of rings whose spectra (ring, channel) and numbers of pixels these are."""
    lines, reach = len(factors.lines), len(pixels)
    fit = fit_sums(model, spectra, image.total)
    rings = composition(fit, factors, model.shape_covariance(fit.counts))
    told = np.atleast_1d(rings.above_limit.any(axis=1)) & (pixels > 0)
    first = int(np.argmax(told))
    good = first + int(np.argmin(np.append(told[first:], False)))
    if good - first < 2:
        return None
    radius_nm = ring_nm * np.arange(0.5, good, dtype=np.float64)
    inner = max(1, int(np.sum(radius_nm < _CORE * radius_nm[-1])))
    outer = max(inner, good - max(1, round(_SURFACE_NM / ring_nm)))
    ends = np.stack([spectra[:inner].sum(axis=0), spectra[outer:good].sum(axis=0)])
    core, surface = range(2)
    parts = composition(fit_sums(model, ends, image.total), factors)
    edges_nm = ring_nm * np.arange(reach + 1, dtype=np.float64)
    # A ring of few pixels has not the area of a ring; rings cut by the field's border still less.
    whole = np.pi * np.diff(edges_nm**2) / np.maximum(pixels * image.pixel_nm**2, 1e-9)
    apart, apart_std = _taken_apart(fit, np.where(pixels > 0, whole, 0.0), edges_nm, np.exp(factors.ln_k))
    profile = RadialProfile(
        centre_px=centre_px,
        ring_nm=ring_nm,
        radius_nm=radius_nm,
        rings=rings.of(slice(good)),
        core=parts.fractions[core],
        core_std=parts.noise_std[core],
        surface=parts.fractions[surface],
        surface_std=parts.noise_std[surface],
        shells=apart[:good],
        shells_std=apart_std[:good],
        shell_nm=None,
    )
    telling = int(np.argmax(np.abs(profile.difference_sigmas)))
    if not shell or abs(profile.difference_sigmas[telling]) <= _CLAIM_SIGMAS:
        return profile
    k, each = np.exp(factors.ln_k), np.maximum(pixels[:good], 1)
    amounts = (fit.counts[:good, :lines] @ k) / each
    amounts_std = np.sqrt(np.einsum("i,rij,j->r", k, fit.covariance[:good, :lines, :lines], k)) / each
    seen = rings.fractions[:good, telling], rings.noise_std[:good, telling]
    return replace(profile, shell_nm=shell_thickness(ring_nm, amounts, amounts_std, *seen))


def rings_around(
    image: SpectrumImage,
    body: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    families: Sequence[LineFamily],
    within: NDArray[np.bool_] | None = None,
) -> tuple[tuple[float, float], NDArray[np.intp], float]:
    """Centre (y, x) of one body, the number of each pixel's ring around it, and how wide rings are, in nm.

    Pixels of other bodies, beyond the last ring or not `within` have -1.
    """
    ring_nm = max(RING_NM, image.pixel_nm)
    centre_px, distance_nm = distances(image, body, families)
    ring = np.floor(distance_nm / ring_nm).astype(int)
    reach = int(ring[body].max()) + 1 + _BEYOND
    ring[(mask & ~body) | (ring >= reach) | (False if within is None else ~within)] = -1
    return centre_px, ring, ring_nm


def distances(
    image: SpectrumImage, mask: NDArray[np.bool_], families: Sequence[LineFamily]
) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """Centre (y, x) of a particle by its lines' counts under its mask, and every pixel's distance from it in nm."""
    from scipy.ndimage import center_of_mass

    y, x = center_of_mass(np.where(mask, image.lines_map(families), 0.0))
    rows, columns = np.indices(mask.shape)
    return (float(y), float(x)), image.pixel_nm * np.hypot(rows - y, columns - x)


def _taken_apart(
    fit: LineFit, scale: NDArray[np.float64], edges_nm: NDArray[np.float64], k: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fractions (shell, line) of a ball's shells and their counting errors, from rings scaled to their full area.

    A ring sees of each shell the volume in which a hollow cylinder cuts a hollow ball.
    """
    lines = len(k)
    inverse = np.linalg.inv(_seen(edges_nm)) * scale
    amounts = inverse @ (fit.counts[:, :lines] * k)
    covariance = np.einsum("sr,rij,sr,i,j->sij", inverse, fit.covariance[:, :lines, :lines], inverse, k, k)
    enough = amounts.sum(axis=1) > _SEEN_SIGMAS * np.sqrt(np.maximum(covariance.sum(axis=(1, 2)), 1e-300))
    fractions, by_noise = fractions_of(np.where(enough[:, None], amounts, np.nan), covariance)
    return fractions, roots(by_noise)


def _seen(edges_nm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(ring, shell): volume of a shell over a ring, both between the same radii."""
    out = edges_nm[None, :] ** 2
    cut = np.maximum(out - edges_nm[:, None] ** 2, 0.0) ** 1.5 * (4.0 * np.pi / 3.0)
    # cut[r, s] is the part of a ball of radius s beyond distance r from the axis.
    beyond = np.diff(cut, axis=1)
    return np.asarray(beyond[:-1] - beyond[1:])
