"""What faintly surrounds a particle: silica, thin films; on a grid four times coarser than the images.

The particle takes its place: inside, the surroundings are continued and then subtracted again, so that they reach the
surface at full strength however coarse their grid is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.projector import Volume

COARSE_PX = 4
_LAYERS_PX = (6.0, 12.0, 20.0, 40.0, 80.0)
"""Depths of a coat. Nothing finer next to the metal: it could not be told from a shifted surface."""

Matrices = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def interpolation(n: int, coarse: int) -> NDArray[np.float32]:
    """Linear interpolation from a coarse axis onto n pixels with the same centre, as a matrix."""
    at = (np.arange(n) - 0.5 * (n - 1)) / COARSE_PX + 0.5 * (coarse - 1)
    left = np.clip(np.floor(at).astype(int), 0, max(coarse - 2, 0))
    part = np.clip(at - left, 0.0, 1.0)
    matrix = np.zeros((n, coarse), np.float32)
    matrix[np.arange(n), left] = 1.0 - part
    matrix[np.arange(n), np.minimum(left + 1, coarse - 1)] += part
    return matrix


def along_axes(field: Volume, matrices: Matrices) -> Volume:
    """A field with one matrix applied along each of z, y and x, the shrinking ones first."""
    z, y, x = matrices
    if len(z) > z.shape[1]:
        return np.asarray((y @ np.tensordot(z, field, 1)) @ x.T, np.float32)
    return np.asarray(np.tensordot(z, y @ (field @ x.T), 1), np.float32)


def coat_layers(metal: Volume, coarse: tuple[int, ...]) -> list[Volume]:
    """Layers that follow the particle's surface, on the coarse grid.

    The first is continued into the particle; each fades into the next.

    Parameters
    ----------
    metal : occupancy of the particle over the whole (z, y, x) field
    """
    from scipy.ndimage import distance_transform_edt

    z, y, x = (interpolation(n, c).T for n, c in zip(metal.shape, coarse, strict=True))
    whole = along_axes(np.ones_like(metal), (z, y, x))
    inside = along_axes(metal, (z, y, x)) / np.maximum(whole, 1e-6)
    away = COARSE_PX * (distance_transform_edt(inside < 0.5) - inside)
    return [np.interp(away, _LAYERS_PX, layer).astype(np.float32) for layer in np.eye(len(_LAYERS_PX))]
