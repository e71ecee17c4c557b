"""How the intensity of a reconstruction goes with the depth below the particle's surface, whatever its shape."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.images.main_body import main_body

_FEWEST_VOXELS = 8
"""Of a shell of one depth."""


class DepthProfile(NamedTuple):
    """Of one state."""

    depth_nm: NDArray[np.float64]
    """Middles of the shells."""
    intensity: NDArray[np.float64]
    """Mean of each, over the particle's mean."""
    spread: NDArray[np.float64]
    """One standard deviation of the voxels in it, over the same: noise, missing wedge, and what is not symmetric."""
    voxels: NDArray[np.int64]


def shells_of(volume: NDArray[np.float32]) -> NDArray[np.int64]:
    """In which shell of one voxel below the particle's surface each voxel (z, y, x) is, from 1 on; 0 outside.

    The particle is the largest body above the level of least cross entropy (Li and Lee 1993).
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.filters import threshold_li

    level = threshold_li(volume)  # type: ignore[no-untyped-call]  # scikit-image has no types
    body = main_body(volume > level)
    return np.asarray(np.ceil(distance_transform_edt(body) - 0.5), np.int64)


def depth_profile(volume: NDArray[np.float32], shells: NDArray[np.int64], voxel_nm: float) -> DepthProfile:
    """In shells (z, y, x), which are best those of the unheated particle."""
    body = shells > 0
    shell, values = shells[body], volume[body].astype(np.float64)
    voxels = np.bincount(shell)
    mean = np.bincount(shell, values) / np.maximum(voxels, 1)
    square = np.bincount(shell, values**2) / np.maximum(voxels, 1)
    told = voxels >= _FEWEST_VOXELS
    whole = values.mean()
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    depth_nm = voxel_nm * (np.arange(len(voxels)) - 0.5).clip(0.0)
    return DepthProfile(depth_nm[told], mean[told] / whole, spread[told] / whole, voxels[told])
