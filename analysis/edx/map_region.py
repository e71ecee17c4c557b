"""Which pixels of a map are quantified: those of its particles, or as asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.x_ray_lines import LineFamily
from drivers.errors import ConfigError

Region = tuple[int, int, int, int]
"""First and last row, first and last column, the last ones left out."""
_SMOOTH_PX = 1.0
_STANDS_OUT = 3.0
"""Particles are brighter than what is not by so many sigma of the smoothed counts."""
_RIM_NM = 1.0


def region_of(
    image: SpectrumImage, asked: Sequence[LineFamily], region: Region | None
) -> tuple[NDArray[np.bool_], bool]:
    """Pixels (y, x) to quantify, and whether they are all for want of particles that stand out."""
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    otsu: Any = threshold_otsu  # scikit-image ships no types
    shape = image.counts.shape[:2]
    if region is not None:
        top, bottom, left, right = region
        if not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
            words = f"rows {top}:{bottom}, columns {left}:{right} do not lie in the {shape[0]} x {shape[1]} pixels"
            raise ConfigError("--region", [words])
        mask = np.zeros(shape, bool)
        mask[top:bottom, left:right] = True
        return mask, False
    bright = gaussian_filter(image.lines_map(asked), _SMOOTH_PX)
    if np.ptp(bright) <= 0.0:
        return np.ones(shape, np.bool_), True
    mask = np.asarray(bright > float(otsu(bright)), np.bool_)
    # Smoothing by s leaves 1 / (4 pi s^2) of a Poisson variance; a threshold splits that alone by 1.6 sigma.
    noise = float(np.sqrt(bright.mean() / (4.0 * np.pi * _SMOOTH_PX**2)))
    if bright[mask].mean() - bright[~mask].mean() < _STANDS_OUT * noise:
        return np.ones(shape, np.bool_), True
    return mask, False


def with_rim(mask: NDArray[np.bool_], pixel_nm: float) -> NDArray[np.bool_]:
    """A threshold cuts off a round particle's thin rim, which may well be of another composition."""
    from scipy.ndimage import distance_transform_edt

    return mask | (pixel_nm * distance_transform_edt(~mask) <= _RIM_NM)
