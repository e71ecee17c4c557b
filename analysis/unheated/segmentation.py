"""A first segmentation of the unheated particle: vacuum, shell and core by their levels.

Only a start for the fit of the particle's surfaces to the projections; it is good to a voxel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.images.main_body import main_body
from analysis.particle_model.blur import blurred
from analysis.tomography.projector import Projector, Stack, Volume

_BLUR_PX = 1.0
_EROSIONS = (0.2, 0.35, 0.5, 0.65)
"""Of the greatest depth."""
_SECOND_BODY = 0.15
"""Of the first one's voxels, both eroded."""


@dataclass(frozen=True)
class TwoPhase:
    """A core in a shell on the analysis grid (z, y, x)."""

    mask: NDArray[np.bool_]
    core: NDArray[np.bool_]
    shell_level: float
    core_level: float
    """Intensity per voxel edge."""
    blur_px: float
    """Gaussian blur of the projections, one standard deviation."""


def find_two_phases(stack: Stack, tilts_deg: NDArray[np.float64], volume: Volume) -> TwoPhase:
    """Segment a reconstruction; the two levels come from least squares on the projections.

    Parameters
    ----------
    stack : (tilt, y, x) aligned intensities, background-free
    volume : (z, y, x) its reconstruction
    """
    from scipy.ndimage import gaussian_filter

    depth, rows, columns = volume.shape
    smooth = gaussian_filter(volume, 1.0)
    low, high = _three_class_thresholds(smooth)
    mask = main_body(smooth > low)
    core = (smooth > high) & mask
    projector = Projector(tilts_deg, (depth, rows, columns))
    shell, step = _levels([blurred(projector.forward(p.astype(np.float32)), _BLUR_PX) for p in (mask, core)], stack)
    return TwoPhase(mask, core, float(shell), float(shell + step), _BLUR_PX)


def touches_neighbour(mask: NDArray[np.bool_]) -> bool:
    """Whether a body has a waist: eroded evenly, it falls into two parts that both mattered."""
    from scipy.ndimage import distance_transform_edt, label

    depth = distance_transform_edt(np.pad(mask, 1))
    for part in _EROSIONS:
        eroded = depth > part * float(depth.max())
        labels, n = label(eroded)
        sizes = np.sort(np.bincount(labels.ravel())[1:]) if n > 1 else np.zeros(2)
        if sizes[-2] > _SECOND_BODY * sizes[-1]:
            return True
    return False


def _three_class_thresholds(smooth: Volume) -> tuple[float, float]:
    """Vacuum | shell | core, by Otsu's method within the particle's box."""
    from skimage.filters import threshold_multiotsu

    bright = smooth > 0.2 * np.percentile(smooth, 99.9)
    box = tuple(
        slice(max(0, int(hit[0]) - 4), int(hit[-1]) + 5)
        for hit in (np.flatnonzero(bright.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3))
    )
    otsu: Any = threshold_multiotsu  # scikit-image ships no types
    low, high = otsu(smooth[box], classes=3)
    return float(low), float(high)


def _levels(parts: list[Stack], stack: Stack) -> NDArray[np.float64]:
    """Least-squares weights of the parts' projections."""
    flat = [p.ravel().astype(np.float64) for p in parts]
    normal = np.array([[a @ b for b in flat] for a in flat])
    right = np.array([a @ stack.ravel() for a in flat])
    return np.asarray(np.linalg.lstsq(normal, right, rcond=None)[0])
