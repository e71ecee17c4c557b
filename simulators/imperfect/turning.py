"""A particle that lies differently than before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rotation(
    about_beam_deg: float, about_tilt_axis_deg: float = 0.0, about_third_deg: float = 0.0
) -> NDArray[np.float64]:
    """Matrix (3, 3) that turns (z, y, x) by one rotation whose vector has these three parts.

    About the beam: the sense of a specimen's `in_plane_deg`. About the tilt axis: the sense of a tilt of the stage.
    About the third, across the axis in the plane of the support: z turns towards x.
    """
    from scipy.linalg import expm

    beam, tilt, third = np.radians([about_beam_deg, about_tilt_axis_deg, about_third_deg])
    generator = np.array([[0.0, -tilt, -third], [tilt, 0.0, beam], [third, -beam, 0.0]])
    return np.asarray(expm(generator), np.float64)


def turned(density: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """A density (z, y, x) turned about the middle of its grid, on a grid that holds all of it.

    Cubic splines, which blur next to nothing: a turned state is to be as sharp as one that was not.
    """
    from scipy.ndimage import affine_transform

    shape = np.array(density.shape)
    grown = 2 * np.ceil(0.5 * np.abs(matrix) @ shape).astype(int) + shape % 2
    offset = 0.5 * (shape - 1.0) - matrix.T @ (0.5 * (grown - 1.0))
    return np.asarray(affine_transform(density, matrix.T, offset, output_shape=tuple(grown), order=3), np.float32)
