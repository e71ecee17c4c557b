"""A tilt series as the fits take it: intensities that are not moved yet, and all that is known about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.alignment import shifted, within_field
from analysis.tomography.noise import Noise
from analysis.tomography.projector import Stack

_AT_THE_END = 0.985
"""A shift rings at the rim of what is clipped."""


@dataclass(frozen=True)
class Projections:
    """An unaligned tilt series with the tilt axis along x."""

    raw: Stack
    """(tilt, y, x) intensities above the offset."""
    tilts_deg: NDArray[np.float64]
    """As the stage told them."""
    shifts_px: NDArray[np.float64]
    """(tilt, 2) as (y, x): a first alignment."""
    noise: Noise
    swept_deg: float = 0.0
    """Tilt gone through during each exposure."""
    ceiling: float | None = None
    """Intensity at which the detector clips."""

    def weights(self, signal: Stack, stack: Stack, seen: Stack) -> Stack:
        """Of moved projections: one over the variance where a model has this signal.

        Nothing beyond the field, nor where the model shines as bright as the detector's end and the detector shows it.
        """
        weight = seen * self.noise.weights(signal)
        if self.ceiling is not None:
            end = np.float32(_AT_THE_END * self.ceiling)
            weight[(stack > end) & (signal > end)] = 0.0
        return weight

    def moved(self, shifts_px: NDArray[np.float64], columns: slice) -> tuple[Stack, Stack]:
        """Projections moved by these shifts, and 1 where they show what was recorded."""
        seen = within_field(self.raw.shape, shifts_px)
        return shifted(self.raw, shifts_px)[:, :, columns], seen[:, :, columns]
