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
_LEAST_EDGE = 0.01


def occupancy(distance: Volume) -> Volume:
    """Part of each voxel inside the surface, 0..1."""
    t = np.clip(0.5 - distance / _RAMP_PX, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def occupancy_slope(distance: Volume) -> Volume:
    """d occupancy / d distance, never positive."""
    t = np.clip(0.5 - distance / _RAMP_PX, 0.0, 1.0)
    return np.asarray(-6.0 / _RAMP_PX * t * (1.0 - t), np.float32)


def face_fractions(distance: Volume) -> tuple[Volume, ...]:
    """Part inside of the face between each voxel and the next along z, y and x.

    For a plane it is exact: the part of a unit square on one side of a line. Diffusion along a surface is right only if
    faces and surface close up, to a per cent of D in a rod 25 voxels wide.
    """
    slopes = np.gradient(distance)
    size = np.maximum(np.sqrt(sum(g * g for g in slopes)), 0.3)
    found = []
    for axis in range(3):
        # Depths that no face's corner reaches are cut off: squares of large ones would cancel only to rounding.
        depth = np.clip(-0.5 * (distance + np.roll(distance, -1, axis)).astype(np.float64), -1.5, 1.5)
        edges = [np.abs(g / size) for k, g in enumerate(slopes) if k != axis]
        wide, narrow = (
            np.maximum(0.5 * (e + np.roll(e, -1, axis)), _LEAST_EDGE) for e in (np.maximum(*edges), np.minimum(*edges))
        )
        outer, inner = 0.5 * (wide + narrow), 0.5 * (wide - narrow)
        ramps = [s * np.maximum(depth + u, 0.0) ** 2 for s, u in ((1, outer), (-1, inner), (-1, -inner), (1, -outer))]
        found.append(np.clip(sum(ramps) / (2.0 * wide * narrow), 0.0, 1.0).astype(np.float32))
    return tuple(found)


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
