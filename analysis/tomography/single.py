"""One tilt series from counts to volume, without a session around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.alignment import align, shifted
from analysis.tomography.counting import darkest_level
from analysis.tomography.projector import Volume
from analysis.tomography.reconstruction import Method, reconstruct


def reconstruct_series(
    stack: NDArray[np.generic],
    tilts_deg: NDArray[np.float64],
    *,
    method: Method,
    iterations: int,
    aligned: bool = False,
) -> Volume:
    """Remove the background, align unless told that it is done, reconstruct; returns (z, y, x)."""
    intensity = stack.astype(np.float32)
    intensity -= np.float32(darkest_level(intensity))
    if not aligned:
        intensity = shifted(intensity, align(intensity, tilts_deg).shifts_px)
    return reconstruct(intensity, tilts_deg, iterations=iterations, method=method)
