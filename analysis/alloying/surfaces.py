"""A surface on a voxel grid, finer than its voxels: a signed distance and the occupancy that follows from it.

Distances are in voxels, negative inside. The occupancy of a voxel is the part of it that lies inside; for a plane
through a unit cube it is a ramp whose variance is 1/12 whatever the plane's direction, and so is the ramp used here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.projector import Volume

_RAMP_PX = float(np.sqrt(20.0 / 12.0))
"""Width of the cubic ramp with variance 1/12."""
_BAND_PX = 1.5


def occupancy(distance: Volume) -> Volume:
    """Part of each voxel inside the surface, 0..1."""
    t = np.clip(0.5 - distance / _RAMP_PX, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def occupancy_slope(distance: Volume) -> Volume:
    """d occupancy / d distance, never positive."""
    t = np.clip(0.5 - distance / _RAMP_PX, 0.0, 1.0)
    return np.asarray(-6.0 / _RAMP_PX * t * (1.0 - t), np.float32)


def distance_to(body: NDArray[np.bool_]) -> Volume:
    """Signed distance to a voxel body's surface, its steps smoothed away."""
    from scipy.ndimage import gaussian_filter
    from scipy.special import erfinv

    soft = gaussian_filter(body.astype(np.float32), 1.0)
    return redistanced(np.asarray(np.sqrt(2.0) * erfinv(np.clip(1.0 - 2.0 * soft, -0.9999, 0.9999)), np.float32))


def redistanced(level: Volume) -> Volume:
    """Distance with the same zero surface: to first order near it, Euclidean beyond."""
    from scipy.ndimage import distance_transform_edt

    slope = np.sqrt(sum(g * g for g in np.gradient(level)))
    near = level / np.maximum(slope, 0.3)
    inside = level < 0.0
    far = np.where(inside, 0.5 - distance_transform_edt(inside), distance_transform_edt(~inside) - 0.5)
    return np.where((np.abs(near) < _BAND_PX) & (np.abs(far) < 2.0 * _BAND_PX), near, far).astype(np.float32)
