"""A tilt series as the fits take it: intensities that are not moved yet, and all that is known about them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.alignment import shifted, within_field
from analysis.tomography.clipping import clipped, near_end
from analysis.tomography.noise import Noise
from analysis.tomography.projector import Stack


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

    def some(self, which: NDArray[np.intp]) -> Projections:
        """Some of the tilts."""
        return replace(self, raw=self.raw[which], tilts_deg=self.tilts_deg[which], shifts_px=self.shifts_px[which])

    def missed(self, signal: Stack, stack: Stack, seen: Stack) -> tuple[Stack, Stack]:
        """What a model with this signal misses of moved projections, and its weight: one over the variance.

        Nothing is seen beyond the field. Where the detector clips both, the mean that it then shows is compared, and
        the difference is told in units of the signal.
        """
        known = self.noise.weights(signal)
        missed, weight = stack - signal, seen * known
        if self.ceiling is None:
            return missed, weight
        variance = np.float32(1.0) / known
        cut = near_end(signal, variance, self.ceiling) & near_end(stack, variance, self.ceiling)
        shown, passed, own = clipped(signal[cut], variance[cut], self.ceiling)
        missed[cut] = np.where(passed > 0.0, (stack[cut] - shown) / np.maximum(passed, 1e-6), 0.0)
        weight[cut] = seen[cut] * passed**2 / own
        return missed, weight

    def moved(self, shifts_px: NDArray[np.float64], columns: slice) -> tuple[Stack, Stack]:
        """Projections moved by these shifts, and 1 where they show what was recorded."""
        seen = within_field(self.raw.shape, shifts_px)
        return shifted(self.raw, shifts_px)[:, :, columns], seen[:, :, columns]
