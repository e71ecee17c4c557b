"""What the unheated particle is: an outside surface, a core in it, two metals, a blur, and its surroundings.

Everything is in the projection domain's units: distances in px, intensities per px of path. The model lives in a box
around the particle whose y and z are centred on the tilt axis; the faint surroundings (silica, support) on a grid four
times coarser.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.alloying.surfaces import occupancy, openings
from analysis.tomography.projector import Projector, Stack, Volume

COARSE_PX = 4
_LEAST_OCCUPANCY = 0.02
_PIXEL_VARIANCE = 1.0 / 12.0


@dataclass(frozen=True)
class ParticleModel:
    """A core-shell particle before any heat."""

    outside: Volume
    """Signed distance to the particle's surface, (z, y, x) of the box."""
    interface: Volume
    """Signed distance to the core's surface."""
    shell_level: float
    core_step: float
    """Intensity of the core's metal above the shell's."""
    blur_px: float
    """Gaussian blur of the projections, one standard deviation."""
    surroundings: Volume
    """(z, y, x) on the coarse grid, over the box's columns."""
    rows: int
    """Rows of the projections; the tilt axis lies in their middle."""
    first_column: int
    """Where the box begins in the projections."""

    @cached_property
    def metal(self) -> Volume:
        """Occupancy of the particle; slivers of voxels are left out."""
        w = occupancy(self.outside)
        return np.where(w > _LEAST_OCCUPANCY, w, 0.0).astype(np.float32)

    @cached_property
    def openings(self) -> tuple[Volume, ...]:
        """Open part of the faces between the particle's voxels, along z, y and x."""
        return openings(self.outside)

    @cached_property
    def core(self) -> Volume:
        """Occupancy of the core, never more than the particle's."""
        return np.minimum(occupancy(self.interface), self.metal)

    @cached_property
    def composition(self) -> Volume:
        """Atomic fraction of the core's element in each voxel of the particle."""
        return np.asarray(np.divide(self.core, self.metal, out=np.zeros_like(self.core), where=self.metal > 0))

    @property
    def core_fraction(self) -> float:
        """Atomic fraction of the core's element in the whole particle."""
        return float(self.core.sum() / max(float(self.metal.sum()), 1.0))

    @property
    def volume_px(self) -> float:
        return float(self.metal.sum())

    @property
    def surface_px2(self) -> float:
        """Area of the outside: the gradient of the occupancy, summed (coarea)."""
        return float(np.sqrt(sum(g * g for g in np.gradient(self.metal))).sum())

    def longest_tau_nm2(self, voxel_nm: float) -> float:
        """tau after which whatever is joined has evened out: its longest extent, squared."""
        return float((max(self.outside.shape) * voxel_nm) ** 2)

    @property
    def columns(self) -> slice:
        return slice(self.first_column, self.first_column + self.outside.shape[2])

    def intensity(self, composition: Volume) -> Volume:
        """Intensity of the particle with this composition, in its box."""
        return np.asarray(self.metal * (self.shell_level + self.core_step * composition), np.float32)

    @cached_property
    def coarse_metal(self) -> Volume:
        """Occupancy of the particle on the surroundings' grid."""
        z, y = self._slices()
        fine: NDArray[np.float32] = np.pad(
            self.metal, [(z.start, self.rows - z.stop), (y.start, self.rows - y.stop), (0, 0)]
        )
        for axis, n in enumerate(self.surroundings.shape):
            matrix = interpolation(fine.shape[axis], n)
            matrix = (matrix / np.maximum(matrix.sum(axis=0), 1e-6)).T
            fine = np.moveaxis(np.tensordot(matrix, fine, (1, axis)), 0, axis)
        return np.asarray(fine, np.float32)

    @property
    def faint(self) -> Volume:
        """The surroundings, where no metal is."""
        return np.asarray((1.0 - self.coarse_metal) * self.surroundings, np.float32)

    def scene(self, tilts_deg: NDArray[np.float64]) -> Scene:
        depth, height, width = self.outside.shape
        return Scene((depth, height, width), self.rows, tilts_deg, self.blur_px)

    def metal_in_window(self, rows: slice, columns: slice) -> Volume:
        """Occupancy over the same window."""
        height, width = rows.stop - rows.start, columns.stop - columns.start
        whole = np.zeros((self.rows, self.rows, width), np.float32)
        at, source = _overlap(self.first_column - columns.start, self.metal.shape[2], width)
        box = self._slices()
        whole[box[0], box[1], at] = self.metal[:, :, source]
        edge = (self.rows - height) // 2
        return np.ascontiguousarray(whole[edge : edge + height, edge : edge + height])

    def _slices(self) -> tuple[slice, slice]:
        depth, height, _ = self.outside.shape
        z0, y0 = (self.rows - depth) // 2, (self.rows - height) // 2
        return slice(z0, z0 + depth), slice(y0, y0 + height)


def columns_of(stack: Stack, first_column: int, columns: slice) -> Stack:
    """Projections of a box that begins at `first_column`, over other columns; nothing where the box does not reach."""
    wide = np.zeros((*stack.shape[:2], columns.stop - columns.start), np.float32)
    at, source = _overlap(first_column - columns.start, stack.shape[2], wide.shape[2])
    wide[:, :, at] = stack[:, :, source]
    return wide


def _overlap(left: int, n: int, width: int) -> tuple[slice, slice]:
    """Where n columns starting at `left` fall into a window, and which of them do."""
    start, stop = max(0, left), min(width, left + n)
    return slice(start, stop), slice(start - left, stop - left)


class Scene:
    """Projects a particle's box and its surroundings at given tilts, through the blur, and back."""

    def __init__(self, box: tuple[int, int, int], rows: int, tilts_deg: NDArray[np.float64], blur_px: float) -> None:
        self._particle = Projector(tilts_deg, box, rows)
        coarse_rows = -(-rows // COARSE_PX)
        coarse = (coarse_rows, coarse_rows, -(-box[2] // COARSE_PX))
        self._around = Projector(tilts_deg, coarse)
        self._up = interpolation(rows, coarse_rows), interpolation(box[2], coarse[2])
        self._blur_px = blur_px

    def particle(self, box: Volume) -> Stack:
        return blurred(self._particle.forward(box), self._blur_px)

    def around(self, coarse: Volume) -> Stack:
        y, x = self._up
        return np.asarray(COARSE_PX * (y @ self._around.forward(coarse) @ x.T), np.float32)

    def particle_back(self, stack: Stack) -> Volume:
        return self._particle.backward(blurred(stack, self._blur_px))

    def around_back(self, stack: Stack) -> Volume:
        y, x = self._up
        return self._around.backward(np.asarray(COARSE_PX * (y.T @ stack @ x), np.float32))


def blurred(stack: Stack, blur_px: float) -> Stack:
    """Blur projections of a volume to what a probe of this size sees.

    Voxels and detector rows both average over a pixel across the axis; along it only one of them does, so less blur is
    left to add across.
    """
    from scipy.ndimage import gaussian_filter

    across_px = float(np.sqrt(max(blur_px**2 - _PIXEL_VARIANCE, 0.04)))
    return np.asarray(gaussian_filter(stack, (0.0, across_px, blur_px), truncate=3.5, mode="constant"))


def interpolation(n: int, coarse: int) -> NDArray[np.float32]:
    """Linear interpolation from a coarse axis onto n pixels with the same centre, as a matrix."""
    at = (np.arange(n) - 0.5 * (n - 1)) / COARSE_PX + 0.5 * (coarse - 1)
    left = np.clip(np.floor(at).astype(int), 0, max(coarse - 2, 0))
    part = np.clip(at - left, 0.0, 1.0)
    matrix = np.zeros((n, coarse), np.float32)
    matrix[np.arange(n), left] = 1.0 - part
    matrix[np.arange(n), np.minimum(left + 1, coarse - 1)] += part
    return matrix
