"""What a few numbers do to all projections, or to one: the patterns that they are the amounts of.

Levels, blur, response and coats are one for all projections; its shifts, tilt, strength and background are each one's
own. All patterns are gone through once for all amounts: to read them from memory is what takes the time.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from analysis.tomography.projector import Stack


class Patterns:
    """Patterns beside projected scattering, whose gain to signal varies from pixel to pixel.

    Parameters
    ----------
    gain : (tilt, y, x) signal per scattering
    everywhere : (pattern, tilt, y, x) of amounts that all projections share
    per_tilt : (tilt, pattern, y, x) of amounts that are a projection's own
    """

    def __init__(self, gain: Stack, everywhere: NDArray[np.float32], per_tilt: NDArray[np.float32]) -> None:
        self._gain = np.ascontiguousarray(gain, np.float32)
        self._everywhere = np.ascontiguousarray(everywhere, np.float32)
        self._per_tilt = np.ascontiguousarray(per_tilt, np.float32)

    def change(
        self, scattered: Stack, everywhere: NDArray[np.floating], per_tilt: NDArray[np.floating], weight: Stack
    ) -> Stack:
        """Weighted change of the signals, of scattering and of amounts."""
        out = np.empty_like(self._gain)
        _change(
            (scattered, self._gain, weight, self._everywhere, self._per_tilt),
            everywhere.astype(np.float32),
            per_tilt.astype(np.float32),
            out,
        )
        return out

    def told(self, change: Stack) -> tuple[Stack, NDArray[np.float64], NDArray[np.float64]]:
        """The exact adjoint of an unweighted change: for scattering, (pattern,) and (tilt, pattern)."""
        scattered = np.empty_like(self._gain)
        everywhere = np.zeros((len(change), len(self._everywhere)))
        per_tilt = np.zeros(self._per_tilt.shape[:2])
        parts = self._gain, self._everywhere, self._per_tilt
        _told(np.ascontiguousarray(change, np.float32), parts, scattered, everywhere, per_tilt)
        return scattered, everywhere.sum(axis=0), per_tilt


@nb.njit(cache=True, nogil=True, parallel=True, fastmath={"contract"})
def _change(stacks, of_all, of_each, out):  # type: ignore[no-untyped-def]  # kernel: numba types it
    scattered, gain, weight, everywhere, per_tilt = stacks
    nt, ny, nx = out.shape
    for t in nb.prange(nt):
        for y in range(ny):
            for x in range(nx):
                out[t, y, x] = gain[t, y, x] * scattered[t, y, x]
            for j in range(of_all.size):
                w = of_all[j]
                for x in range(nx):
                    out[t, y, x] += w * everywhere[j, t, y, x]
            for j in range(of_each.shape[1]):
                w = of_each[t, j]
                for x in range(nx):
                    out[t, y, x] += w * per_tilt[t, j, y, x]
            for x in range(nx):
                out[t, y, x] *= weight[t, y, x]


@nb.njit(cache=True, nogil=True, parallel=True, fastmath={"contract", "reassoc"})
def _told(change, parts, scattered, of_all, of_each):  # type: ignore[no-untyped-def]  # kernel: numba types it
    gain, everywhere, per_tilt = parts
    nt, ny, nx = change.shape
    for t in nb.prange(nt):
        for y in range(ny):
            for x in range(nx):
                scattered[t, y, x] = gain[t, y, x] * change[t, y, x]
            # Single precision along a line is enough, and twice as fast; lines are added in double.
            for j in range(of_all.shape[1]):
                line = np.float32(0.0)
                for x in range(nx):
                    line += everywhere[j, t, y, x] * change[t, y, x]
                of_all[t, j] += line
            for j in range(of_each.shape[1]):
                line = np.float32(0.0)
                for x in range(nx):
                    line += per_tilt[t, j, y, x] * change[t, y, x]
                of_each[t, j] += line
