"""What the unheated particle is: an outside surface, a core in it, two metals, a blur, and its surroundings.

Everything is in the projection domain's units: distances in px, intensities per px of path. The model lives in a box
around the particle whose y and z are centred on the tilt axis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.particle_model.forward_model import ForwardModel
from analysis.particle_model.response import SignalResponse
from analysis.particle_model.surfaces import face_fractions, occupancy
from analysis.particle_model.surroundings import Matrices, along_axes, coat_layers, interpolation
from analysis.tomography.projector import Stack, Volume, in_vectors

_LEAST_OCCUPANCY = 0.02


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
    """(z, y, x) on the coarse grid, over the box's columns, continued through the particle."""
    rows: int
    """Rows of the projections; the tilt axis lies in their middle."""
    first_column: int
    """Where the box begins in the projections."""
    swept_deg: float = 0.0
    """Tilt gone through during each exposure, of a continuous series."""
    response: SignalResponse = field(default_factory=SignalResponse)
    """From scattering to signal."""
    mixed_px2: float = 0.0
    """tau behind the metals before any heat: an interface that is not sharp."""

    @cached_property
    def metal(self) -> Volume:
        """Occupancy of the particle; slivers of voxels are left out."""
        w = occupancy(self.outside)
        return np.where(w > _LEAST_OCCUPANCY, w, 0.0).astype(np.float32)

    @cached_property
    def face_fractions(self) -> tuple[Volume, ...]:
        """Open part of the faces between the particle's voxels, along z, y and x."""
        return face_fractions(self.outside)

    @cached_property
    def core(self) -> Volume:
        """Occupancy of the core, never more than the particle's."""
        return np.minimum(occupancy(self.interface), self.metal)

    @cached_property
    def composition(self) -> Volume:
        """Atomic fraction of the core's element in each voxel of the particle, before any heat."""
        return self.mixed_by(self.mixed_px2)

    def mixed_by(self, tau_px2: float) -> Volume:
        """Composition of sharp metals after a little diffusion: a Gaussian that stays inside the particle."""
        core, metal = self.core, self.metal
        if tau_px2 > 0.0:
            core, metal = (_smoothed(part, float(np.sqrt(2.0 * tau_px2))) for part in (core, metal))
        return np.asarray(np.divide(core, metal, out=np.zeros_like(core), where=self.metal > 0))

    @property
    def core_fraction(self) -> float:
        """Atomic fraction of the core's element in the whole particle."""
        return float(self.core.sum() / max(float(self.metal.sum()), 1.0))

    @cached_property
    def volume_px(self) -> float:
        return float(self.metal.sum())

    @cached_property
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
        """Intensity of the particle with this composition, in its box, above the surroundings whose place it takes."""
        return np.asarray(self.metal * (self.shell_level + self.core_step * composition - self.displaced), np.float32)

    @cached_property
    def finer(self) -> Matrices:
        """Interpolation from the surroundings' grid to the box."""
        z, y = self._slices()
        rows = interpolation(self.rows, self.surroundings.shape[0])
        return rows[z], rows[y], interpolation(self.outside.shape[2], self.surroundings.shape[2])

    @cached_property
    def coarser(self) -> Matrices:
        """The adjoint of `finer`."""
        z, y, x = self.finer
        return z.T, y.T, x.T

    @cached_property
    def displaced(self) -> Volume:
        """What the surroundings would be in the box, were the particle not in their place."""
        return self.in_box(self.surroundings)

    def in_box(self, coarse: Volume) -> Volume:
        """A field on the surroundings' grid, in the box."""
        return along_axes(coarse, self.finer)

    def crop(self, columns: int, margin_px: int) -> tuple[slice, slice]:
        """Rows, symmetric about the axis, and columns of the projections that hold the particle at every tilt."""
        z, y, x = np.nonzero(self.metal > 0.5)
        depth, height, _ = self.metal.shape
        reach = float(np.hypot(z - 0.5 * (depth - 1), y - 0.5 * (height - 1)).max()) + 0.5 + margin_px
        low = max(0, int(np.floor(0.5 * self.rows - reach)))
        first, last = self.first_column + int(x.min()) - margin_px, self.first_column + int(x.max()) + 1 + margin_px
        return slice(low, self.rows - low), in_vectors(slice(max(0, first), min(columns, last)), columns)

    def coats(self) -> list[Volume]:
        """Layers that follow the particle, on the surroundings' grid."""
        return coat_layers(self.metal_in_crop(slice(0, self.rows), self.columns), self.surroundings.shape)

    def scene(self, tilts_deg: NDArray[np.float64], swept_deg: float | None = None) -> ForwardModel:
        """Projections at these tilts, each sweeping over as much as the unheated ones when not told otherwise."""
        depth, height, width = self.outside.shape
        swept_deg = self.swept_deg if swept_deg is None else swept_deg
        return ForwardModel((depth, height, width), self.rows, tilts_deg, self.blur_px, swept_deg)

    def projected(self, composition: Volume, tilts_deg: NDArray[np.float64]) -> tuple[ForwardModel, Stack, Stack]:
        """ForwardModel, projected scattering of all there is, and its slope per degree of tilt."""
        box, step_deg = self.intensity(composition), 0.25
        scene = self.scene(tilts_deg)
        ahead, behind = (self.scene(tilts_deg + d).particle(box) for d in (step_deg, -step_deg))
        return scene, scene.particle(box) + scene.around(self.surroundings), (ahead - behind) / np.float32(2 * step_deg)

    def metal_in_crop(self, rows: slice, columns: slice) -> Volume:
        """Occupancy over the same crop."""
        return self.in_crop(self.metal, rows, columns)

    def in_crop(self, field: Volume, rows: slice, columns: slice) -> Volume:
        """A field of the box over the same crop; nothing around it."""
        height, width = rows.stop - rows.start, columns.stop - columns.start
        whole = np.zeros((self.rows, self.rows, width), np.float32)
        at, source = _overlap(self.first_column - columns.start, field.shape[2], width)
        box = self._slices()
        whole[box[0], box[1], at] = field[:, :, source]
        edge = (self.rows - height) // 2
        return np.ascontiguousarray(whole[edge : edge + height, edge : edge + height])

    def _slices(self) -> tuple[slice, slice]:
        depth, height, _ = self.outside.shape
        z0, y0 = (self.rows - depth) // 2, (self.rows - height) // 2
        return slice(z0, z0 + depth), slice(y0, y0 + height)


def _smoothed(part: Volume, sigma_px: float) -> Volume:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(part, sigma_px, truncate=4.0), np.float32)


def columns_of(stack: Stack, first_column: int, columns: slice) -> Stack:
    """Projections of a box that begins at `first_column`, over other columns; nothing where the box does not reach."""
    wide = np.zeros((*stack.shape[:2], columns.stop - columns.start), np.float32)
    at, source = _overlap(first_column - columns.start, stack.shape[2], wide.shape[2])
    wide[:, :, at] = stack[:, :, source]
    return wide


def _overlap(left: int, n: int, width: int) -> tuple[slice, slice]:
    """Where n columns starting at `left` fall into a crop, and which of them do."""
    start, stop = max(0, left), min(width, left + n)
    return slice(start, stop), slice(start - left, stop - left)
