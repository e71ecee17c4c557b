"""A particle that has turned: its fields in the same box's frame, made wide enough.

A turn is a rotation matrix R on (z, y, x) about the particle's centre; a field F becomes
``F(centre + R^T (r - centre))``. What a turn displaces besides is a shift of each projection, which is unknown anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.particle_model.model import ParticleModel
from analysis.particle_model.surroundings import COARSE_PX
from analysis.tomography.projector import Volume

_MARGIN_PX = 4
_NEAR_PX = 2.5
"""Of a surface."""
GENERATORS = np.array(
    [[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, -1], [0, 0, 0], [1, 0, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 0]]]
)
"""Of turns about z (the beam at 0 deg), y and x (the tilt axis), on (z, y, x)."""


def turn_by(angles_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation by three small angles about z, y and x at once."""
    from scipy.linalg import expm

    return np.asarray(expm(np.tensordot(np.radians(angles_deg), GENERATORS, 1)), np.float64)


def angle_deg(turn: NDArray[np.float64]) -> float:
    """How far a rotation turns, about whatever axis."""
    return float(np.degrees(np.arccos(np.clip(0.5 * (np.trace(turn) - 1.0), -1.0, 1.0))))


@dataclass(frozen=True)
class Turned:
    """A model's fields, turned."""

    model: ParticleModel
    turn: NDArray[np.float64]
    columns: int
    """Of the projections."""

    def field(self, field: Volume) -> Volume:
        """A field over the model's box, turned into the wider one."""
        from scipy.ndimage import affine_transform

        found = affine_transform(field, self.turn.T, self._offset, output_shape=self._shape, order=1, mode="nearest")
        return np.asarray(found, np.float32)

    def field_back(self, field: Volume) -> Volume:
        """A field of the wider box, turned back into the model's."""
        from scipy.ndimage import affine_transform

        offset, shape = -self.turn @ self._offset, self.model.outside.shape
        return np.asarray(affine_transform(field, self.turn, offset, output_shape=shape, order=1), np.float32)

    def _distance(self, distance: Volume) -> Volume:
        """A surface, turned: by cubic splines where it lies, where linear interpolation would move it a little."""
        from scipy.ndimage import map_coordinates

        found = self.field(distance)
        near = np.nonzero(np.abs(found) < _NEAR_PX)
        at = self.turn.T @ np.array(near, np.float64) + self._offset[:, None]
        found[near] = map_coordinates(distance, at, order=3, mode="nearest")
        return found

    @cached_property
    def _offset(self) -> NDArray[np.float64]:
        return np.asarray(self._centre - self.turn.T @ (self._centre + self._shift), np.float64)

    def back(self, volume: Volume, crop_centre: NDArray[np.float64]) -> Volume:
        """A volume of the turned particle as it would be had it not turned, about this centre."""
        from scipy.ndimage import affine_transform

        offset = crop_centre - self.turn @ crop_centre
        return np.asarray(affine_transform(volume, self.turn, offset, order=3, mode="nearest"), np.float32)

    @cached_property
    def particle(self) -> ParticleModel:
        """The model, turned."""
        model = self.model
        return replace(
            model,
            outside=self._distance(model.outside),
            interface=self._distance(model.interface),
            surroundings=self._surroundings(),
            first_column=model.first_column - self._shift_px[2],
        )

    @cached_property
    def _centre(self) -> NDArray[np.float64]:
        """Of the particle, in the model's box."""
        metal = self.model.metal
        total = float(metal.sum(dtype=np.float64))
        sums = [metal.sum(axis=tuple(b for b in range(3) if b != a), dtype=np.float64) for a in range(3)]
        return np.array([float(s @ np.arange(len(s))) / total for s in sums])

    @cached_property
    def _reach(self) -> NDArray[np.float64]:
        """(3, 2) how far the turned particle reaches from its centre, below and above."""
        inside = np.argwhere(self.model.metal > 0.0) - self._centre
        turned = inside @ self.turn.T
        return np.stack([turned.min(axis=0), turned.max(axis=0)], axis=1)

    @cached_property
    def _shape(self) -> tuple[int, int, int]:
        return tuple(int(n) for n in self._extent[:, 1])  # type: ignore[return-value]  # three axes

    @cached_property
    def _shift_px(self) -> NDArray[np.int64]:
        """Where the model's box begins in the wider one."""
        return np.asarray(self._extent[:, 0], np.int64)

    @cached_property
    def _shift(self) -> NDArray[np.float64]:
        return self._shift_px.astype(np.float64)

    @cached_property
    def _extent(self) -> NDArray[np.int64]:
        """(3, 2) of each axis: pixels more at its beginning, and how many in all."""
        found = []
        for axis, n in enumerate(self.model.outside.shape):
            low, high = self._centre[axis] + self._reach[axis]
            before = max(0, int(np.ceil(_MARGIN_PX - low)))
            after = max(0, int(np.ceil(high + _MARGIN_PX - (n - 1))))
            if axis < 2:  # both stay centred on the tilt axis
                room = (self.model.rows - n) // 2
                before = after = min(max(before, after), room)
            else:
                before = min(before, self.model.first_column)
                after = min(after, self.columns - self.model.first_column - n)
            found.append((before, before + n + after))
        return np.array(found)

    def _surroundings(self) -> Volume:
        """On their coarse grid, over the wider box's columns."""
        from scipy.ndimage import affine_transform

        model = self.model
        old = np.array(model.surroundings.shape)
        new = np.array([old[0], old[1], -(-self._shape[2] // COARSE_PX)])
        # Both grids share the tilt axis in z and y; along x each has its box's middle.
        box = np.array(model.outside.shape, np.float64)
        pivot = np.array([*(self._centre[:2] - 0.5 * (box[:2] - 1)), self._centre[2] - 0.5 * (box[2] - 1)]) / COARSE_PX
        moved_x = self._centre[2] + self._shift[2] - 0.5 * (self._shape[2] - 1)
        here = np.array([pivot[0], pivot[1], moved_x / COARSE_PX])
        back = self.turn.T
        offset = 0.5 * (old - 1) + pivot - back @ (0.5 * (new - 1) + here)
        found = affine_transform(
            model.surroundings, back, offset, output_shape=tuple(int(n) for n in new), order=1, mode="nearest"
        )
        return np.asarray(found, np.float32)
