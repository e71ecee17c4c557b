"""Parallel-beam projection about one tilt axis, and its exact adjoint.

All slices along the tilt axis (x) share one geometry: the footprint of a voxel on the detector is looked up
once per (tilt, z, y) and applied to the whole line of x, contiguous in memory and vectorised.

Convention: at tilt ``t`` the voxel at (z, y), both measured from the volume's centre, lands on detector row
``y cos(t) + z sin(t)``, measured from the detector's centre. The footprint is the voxel's unit square projected
along the beam and integrated over a detector row (strip area), so projection conserves mass.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numba as nb
import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]
"""(z, y, x)"""
Stack = NDArray[np.float32]
"""(tilt, y, x)"""

_COLUMNS_AT_ONCE = 8
FRACTIONS = 512
"""Of a detector row, at which footprints are looked up."""


class Projector:
    """Projection of volumes (z, y, x) onto tilt stacks (tilt, y, x) at fixed tilts, and back.

    Parameters
    ----------
    tilts_deg : (tilt,) degrees
    shape : (z, y, x) voxels of the volume
    rows : detector rows; by default as many as the volume has y rows
    """

    def __init__(self, tilts_deg: NDArray[np.float64], shape: tuple[int, int, int], rows: int | None = None) -> None:
        self.tilts_deg = np.atleast_1d(np.asarray(tilts_deg, np.float64))
        angles = np.radians(self.tilts_deg)
        self.shape = shape
        self.rows = shape[1] if rows is None else rows
        self._cos, self._sin = np.cos(angles), np.sin(angles)
        self._footprint = np.stack([_footprint(c, s) for c, s in zip(self._cos, self._sin, strict=True)])

    def array(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where this projector works, so that what is computed with it stays there."""
        return np.asarray(values, np.float32)

    def home(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Back where all else works."""
        return values

    def forward(self, volume: Volume) -> Stack:
        """Line integrals, in volume units times the voxel edge."""
        padded = np.zeros((self._cos.size, self.rows + 2, self.shape[2]), np.float32)
        _forward(np.ascontiguousarray(volume, np.float32), padded, self._cos, self._sin, self._footprint)
        return padded[:, 1:-1]

    def backward(self, stack: Stack) -> Volume:
        """The exact adjoint of `forward`."""
        padded = np.pad(np.asarray(stack, np.float32), ((0, 0), (1, 1), (0, 0)))
        volume = np.zeros(self.shape, np.float32)
        _backward(volume, padded, self._cos, self._sin, self._footprint)
        return volume


def in_vectors(columns: slice, most: int) -> slice:
    """Columns with a few more beside them, where an image of so many has them: as processors take them at once."""
    more = -(columns.stop - columns.start) % _COLUMNS_AT_ONCE
    right = min(more, most - columns.stop)
    left = min(more - right, columns.start)
    return slice(columns.start - left, columns.stop + right)


def project(volume: Volume, tilts_deg: NDArray[np.float64]) -> Stack:
    """Project a volume (z, y, x) at the given tilts; returns (tilt, y, x)."""
    depth, rows, columns = volume.shape
    return Projector(tilts_deg, (depth, rows, columns)).forward(volume)


@lru_cache(maxsize=1024)
def _footprint(c: float, s: float) -> NDArray[np.float32]:
    """Weights on the rows below, at and above the nearest row, for each fraction of a row: (fraction, 3)."""
    wide, narrow = max(abs(c), abs(s)), min(abs(c), abs(s))
    offset = (np.arange(FRACTIONS) + 0.5) / FRACTIONS - 0.5
    edges = np.array([-1.5, -0.5, 0.5, 1.5])[None, :] - offset[:, None]
    weights = np.diff(_trapezoid_integral(edges, wide, narrow), axis=1)
    return np.maximum(weights, 0.0).astype(np.float32)


def _trapezoid_integral(u: NDArray[np.float64], wide: float, narrow: float) -> NDArray[np.float64]:
    """Integral up to u of the unit square's projection: box(wide) convolved with box(narrow), unit area."""
    if narrow < 1e-9:
        return np.clip(u / wide + 0.5, 0.0, 1.0)

    def ramp2(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(0.5 * np.maximum(x, 0.0) ** 2)

    outer, inner = 0.5 * (wide + narrow), 0.5 * (wide - narrow)
    return (ramp2(u + outer) - ramp2(u + inner) - ramp2(u - inner) + ramp2(u - outer)) / (wide * narrow)


# Detector rows carry one empty row on each side, so that a footprint at the edge needs no branch.
@nb.njit(cache=True, nogil=True, parallel=True)
def _forward(volume, padded, cos, sin, footprint):  # type: ignore[no-untyped-def]  # kernel: numba types it
    nz, ny, nx = volume.shape
    nt, nd = padded.shape[0], padded.shape[1] - 2
    for t in nb.prange(nt):
        c, s = cos[t], sin[t]
        for z in range(nz):
            base = (z - 0.5 * (nz - 1)) * s - 0.5 * (ny - 1) * c + 0.5 * nd
            for y in range(ny):
                p = base + y * c
                d = math.floor(p)
                if d < 0 or d >= nd:
                    continue
                k = int((p - d) * FRACTIONS)
                w0, w1, w2 = footprint[t, k, 0], footprint[t, k, 1], footprint[t, k, 2]
                for x in range(nx):
                    v = volume[z, y, x]
                    padded[t, d, x] += w0 * v
                    padded[t, d + 1, x] += w1 * v
                    padded[t, d + 2, x] += w2 * v


@nb.njit(cache=True, nogil=True, parallel=True)
def _backward(volume, padded, cos, sin, footprint):  # type: ignore[no-untyped-def]  # kernel: numba types it
    nz, ny, nx = volume.shape
    nt, nd = padded.shape[0], padded.shape[1] - 2
    for z in nb.prange(nz):
        for t in range(nt):
            c, s = cos[t], sin[t]
            base = (z - 0.5 * (nz - 1)) * s - 0.5 * (ny - 1) * c + 0.5 * nd
            for y in range(ny):
                p = base + y * c
                d = math.floor(p)
                if d < 0 or d >= nd:
                    continue
                k = int((p - d) * FRACTIONS)
                w0, w1, w2 = footprint[t, k, 0], footprint[t, k, 1], footprint[t, k, 2]
                for x in range(nx):
                    volume[z, y, x] += w0 * padded[t, d, x] + w1 * padded[t, d + 1, x] + w2 * padded[t, d + 2, x]
