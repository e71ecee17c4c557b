"""Single pixels far above all around them: X-rays and cosmic rays that hit a camera, and pixels that are broken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.projector import Stack

_TIMES = 8.0
"""A hot pixel stands out so many times more than one pixel in a thousand does."""


def without_hot_pixels(stack: Stack) -> tuple[Stack, NDArray[np.intp]]:
    """The stack (tilt, y, x) with each hot pixel at its neighbours' median, and how many there were at each tilt."""
    from scipy.ndimage import median_filter

    around = median_filter(stack, size=(1, 3, 3))
    above = stack - around
    hot = above > _TIMES * max(float(np.percentile(np.abs(above), 99.9)), 1e-12)
    return np.where(hot, around, stack), np.count_nonzero(hot, axis=(1, 2))
