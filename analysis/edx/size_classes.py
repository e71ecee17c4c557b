"""Radial profiles averaged over the particles of a map that are of one size (Moreira et al., Small 2024, Figure 4).

Rings of particles of a class are summed before anything is fitted, each about its own particle's centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.edx.k_factors import KFactors
from analysis.edx.lines.model import LineModel
from analysis.edx.radial_profile import RadialProfile, profile_of, rings_around
from analysis.edx.spectrum_image import SpectrumImage

_CLASS_NM = 2.0
_SMALLEST_NM = 2.0
_HALF_CHORD = float(np.sqrt(0.75))
_ROUND = 0.75
"""Of a body's area in the circle that would hold it: less is two particles that touch, or none."""


@dataclass(frozen=True)
class SizeClass:
    """Particles of some diameters, from `from_nm` up to `to_nm`."""

    from_nm: float
    to_nm: float
    particles: int
    profile: RadialProfile
    """Of their sum; its errors are by counting, how much particles differ is not in them."""


def profiles_by_size(
    image: SpectrumImage, mask: NDArray[np.bool_], model: LineModel, factors: KFactors
) -> tuple[SizeClass, ...]:
    """One profile for each class of 2 nm; particles cut by the border, or that touch others, are left out."""
    from scipy.ndimage import label

    bodies, n = label(mask)
    classes: dict[int, list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {}
    ring_nm = 0.0
    for number in range(1, n + 1):
        body = np.asarray(bodies == number, np.bool_)
        diameter_nm = _diameter_nm(body, image.pixel_nm)
        if diameter_nm is None or diameter_nm < _SMALLEST_NM:
            continue
        _, ring, ring_nm = rings_around(image, body, mask, model.families[: len(factors.lines)])
        reach = int(ring.max()) + 1
        spectra = np.stack([image.spectrum_of(ring == r) for r in range(reach)])
        pixels = np.array([float(np.sum(ring == r)) for r in range(reach)])
        classes.setdefault(int(diameter_nm / _CLASS_NM), []).append((spectra, pixels))
    found = []
    for size, members in sorted(classes.items()):
        reach = min(len(pixels) for _, pixels in members)
        spectra = np.sum([s[:reach] for s, _ in members], axis=0)
        pixels = np.sum([p[:reach] for _, p in members], axis=0)
        # Areas, by which shells of a ball are told, are of one particle; the spectra are of all.
        each = pixels / len(members)
        profile = profile_of(image, model, factors, spectra, each, (np.nan, np.nan), ring_nm, shell=True)
        if profile is not None:
            found.append(SizeClass(size * _CLASS_NM, (size + 1) * _CLASS_NM, len(members), profile))
    return tuple(found)


def _diameter_nm(body: NDArray[np.bool_], pixel_nm: float) -> float | None:
    """Of a ball whose mask the body is; nothing when the border cuts it or it is not round.

    A threshold half way cuts a ball's projection where its chord is half the longest, at 0.866 of its radius.
    """
    rows, columns = np.nonzero(body)
    height, width = body.shape
    if rows.min() == 0 or columns.min() == 0 or rows.max() == height - 1 or columns.max() == width - 1:
        return None
    away = np.hypot(rows - rows.mean(), columns - columns.mean())
    if body.sum() < _ROUND * np.pi * (away.max() + 0.5) ** 2:
        return None
    return pixel_nm * float(np.sqrt(4.0 * body.sum() / np.pi)) / _HALF_CHORD
