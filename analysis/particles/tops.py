"""Bright tops of a few pixels inside outlines: where there are more of them, small touching particles are merged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.particles.outlines import noise_std

_SMOOTH_PX = 1.0
_RINGS_PX = (2.5, 3.5, 4.5)
"""Half the pitch of small particles: a top is a particle of its own when it is lower all around at one of these."""
_LOWER, _NOISE_SIGMAS = 0.3, 4.0
"""By this part of the contrast, and by so many sigma of the noise that smoothing leaves: noise has tops, too."""


def tops_in(values: NDArray[np.float64], labels: NDArray[np.int32]) -> int:
    """How many tops lie in the labels (y, x) of an image with bright particles."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    inside = labels > 0
    if not inside.any() or inside.all():
        return 0
    smooth = np.asarray(gaussian_filter(values, _SMOOTH_PX), np.float64)
    contrast = float(np.median(smooth[inside]) - np.median(smooth[~inside]))
    if contrast <= 0.0:
        return 0
    noise = noise_std(values) / (2.0 * np.sqrt(np.pi) * _SMOOTH_PX)
    lower = max(_LOWER * contrast, _NOISE_SIGMAS * noise)
    y, x = np.mgrid[-5:6, -5:6]
    top = inside & (smooth == maximum_filter(smooth, 5))
    alone = np.zeros(labels.shape, np.bool_)
    for radius_px in _RINGS_PX:
        ring = np.abs(np.hypot(y, x) - radius_px) < 0.5
        alone |= maximum_filter(smooth, footprint=ring) < smooth - lower
    return int(np.count_nonzero(top & alone))
