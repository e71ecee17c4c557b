"""MLEM, OSEM and SIRT, batch or incremental.

Expectation maximisation (as in Mychinko et al., Small 2021) multiplies the volume by the back-projected ratio of data
to model: the maximum-likelihood iteration for Poisson counts, which keeps the volume positive. With ordered subsets
(Hudson and Larkin, IEEE Trans. Med. Imaging 13 (1994) 601) each iteration is over every second, third or fourth tilt in
turn, and comes about as far as one over all. SIRT adds the back-projected residual, normalised by row and column sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.device import Device, projector_on
from analysis.tomography.projector import Projector, Stack, Volume

Method = Literal["mlem", "osem", "sirt"]
_TINY = np.float32(1e-6)
_MOST_SUBSETS, _LEAST_TILTS = 4, 16
"""Of a subset: with fewer, what each asks for is too different."""
_VOLUMES, _STACKS = 5, 14
"""That aligning and reconstructing hold at once, in single precision."""


def needed_bytes(shape: tuple[int, ...]) -> int:
    """Memory that a tilt series (tilt, y, x) takes to be aligned and reconstructed with as many z as y."""
    tilts, rows, columns = shape
    return 4 * rows * columns * (_VOLUMES * rows + _STACKS * tilts)


class Reconstruction:
    """A volume (z, y, x) that improves while projections arrive.

    Parameters
    ----------
    shape : (z, y, x) voxels; y and x must equal the projections' rows and columns
    method : ``mlem`` (Poisson likelihood, positive), ``osem`` (the same by ordered subsets of the tilts, up to four
        times as fast), or ``sirt`` (least squares, clipped at zero)
    device : where it is computed: ``cpu``, ``cuda``, or ``auto`` for the GPU where there is one and it is worth it
    """

    def __init__(self, shape: tuple[int, int, int], method: Method = "mlem", device: Device = "auto") -> None:
        self.shape = shape
        self.method = method
        self.device: Device = device
        self._projections: list[NDArray[np.float32]] = []
        self._tilts_deg: list[float] = []
        self._volume: Volume | None = None

    def add(self, projection: NDArray[np.float32], tilt_deg: float) -> None:
        """Take one more projection (y, x). A missing tilt only leaves the volume less well determined."""
        if projection.shape != self.shape[1:]:
            raise ValueError(f"the projection is {projection.shape}, the volume needs {self.shape[1:]}")
        self._projections.append(np.asarray(projection, np.float32))
        self._tilts_deg.append(float(tilt_deg))

    def iterate(self, n: int) -> None:
        """Run n iterations over the projections taken so far, from the present volume.

        With ordered subsets as many more as it takes for each projection to count alike.
        """
        if not self._projections:
            return
        stack = np.stack(self._projections)
        # What was handed out before stays as it was.
        volume = _uniform(stack, self.shape) if self._volume is None else self._volume.copy()
        tilts_deg = np.asarray(self._tilts_deg)
        if self.method == "sirt":
            projector = projector_on(self.device, tilts_deg, self.shape)
            found = _sirt(projector.array(volume), projector.array(stack), projector, n)
        else:
            subsets = _ordered_subsets(tilts_deg) if self.method == "osem" else [np.arange(len(tilts_deg))]
            projectors = [projector_on(self.device, tilts_deg[s], self.shape) for s in subsets]
            projector = projectors[0]
            data = [projector.array(np.maximum(stack[s], 0.0)) for s in subsets]
            del stack
            found = _mlem(projector.array(volume), data, projectors, -(-n // len(subsets)))
        self._volume = projector.home(found)

    def volume(self) -> Volume:
        """The present volume (z, y, x), in projection units per voxel edge."""
        return np.zeros(self.shape, np.float32) if self._volume is None else self._volume


def reconstruct(
    stack: Stack,
    tilts_deg: NDArray[np.float64],
    *,
    iterations: int,
    method: Method = "mlem",
    device: Device = "auto",
) -> Volume:
    """Reconstruct an aligned tilt stack (tilt, y, x) in one go; returns (z, y, x) with as many z as y."""
    _, ny, nx = stack.shape
    reconstruction = Reconstruction((ny, ny, nx), method, device)
    for projection, tilt_deg in zip(stack, tilts_deg, strict=True):
        reconstruction.add(projection, float(tilt_deg))
    reconstruction.iterate(iterations)
    return reconstruction.volume()


def _uniform(stack: Stack, shape: tuple[int, int, int]) -> Volume:
    """Every slice filled evenly with its own mean projected mass."""
    per_slice = np.maximum(stack.sum(axis=1).mean(axis=0), _TINY) / (shape[0] * shape[1])
    return np.ascontiguousarray(np.broadcast_to(per_slice.astype(np.float32), shape))


def _ordered_subsets(tilts_deg: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Every second, third or fourth tilt in order of angle, one subset far from the next; all tilts where few."""
    order = np.argsort(tilts_deg, kind="stable")
    n = int(np.clip(len(order) // _LEAST_TILTS, 1, _MOST_SUBSETS))
    return [order[first::n] for first in ((0, 2, 1, 3) if n == _MOST_SUBSETS else range(n))]


def _mlem(volume: Volume, data: Sequence[Stack], projectors: Sequence[Projector], passes: int) -> Volume:
    """In place; one update by each part of the data in turn."""
    sensitivities = [p.array(_sensitivity(p)) for p in projectors]
    for _ in range(passes):
        for projector, part, sensitivity in zip(projectors, data, sensitivities, strict=True):
            ratio = projector.forward(volume)
            np.maximum(ratio, _TINY, out=ratio)
            np.divide(part, ratio, out=ratio)
            step = projector.backward(ratio)
            step /= sensitivity
            volume *= step
            del ratio, step  # before there are others
    return volume


def _sensitivity(projector: Projector) -> Volume:
    """(z, y, 1) how much of a voxel all projections together see; the same all along the axis."""
    depth, rows, _ = projector.shape
    line = Projector(projector.tilts_deg, (depth, rows, 1), projector.rows)
    return np.maximum(line.backward(np.ones((len(line.tilts_deg), line.rows, 1), np.float32)), _TINY)


def _sirt(volume: Volume, stack: Stack, projector: Projector, n: int) -> Volume:
    columns = np.maximum(projector.backward(np.ones_like(stack)), _TINY)
    rows = np.maximum(projector.forward(np.ones_like(volume)), _TINY)
    for _ in range(n):
        residual = np.divide(stack - projector.forward(volume), rows, dtype=np.float32)
        volume = np.maximum(volume + np.divide(projector.backward(residual), columns, dtype=np.float32), 0.0)
    return volume
