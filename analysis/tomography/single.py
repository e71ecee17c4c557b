"""One tilt series from counts to volume, without a session around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.alignment import align, shifted
from analysis.tomography.noise import darkest_level
from analysis.tomography.projector import Volume
from analysis.tomography.reconstruction import Method, reconstruct
from analysis.tomography.tilt_axis import believed_axis, turned


def reconstruct_series(
    stack: NDArray[np.generic],
    tilts_deg: NDArray[np.float64],
    *,
    method: Method,
    iterations: int,
    aligned: bool = False,
) -> Volume:
    """Remove the background, turn the tilt axis onto x, align (both unless done), reconstruct; returns (z, y, x)."""
    intensity = stack.astype(np.float32)
    intensity -= np.float32(darkest_level(intensity))
    if not aligned:
        intensity = turned(intensity, believed_axis(intensity, tilts_deg))
        intensity = shifted(intensity, align(intensity, tilts_deg).shifts_px)
    return reconstruct(intensity, tilts_deg, iterations=iterations, method=method)
