"""A void that opened in a particle: a ball (Kirkendall's, where silver leaves the interface faster than gold comes)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.particle_model.surfaces import occupancy_slope
from analysis.tomography.projector import Volume

_LEAST_RADIUS_PX = 0.7
"""Smaller, it has no surface that could move."""

_INSIDE = 0.5
"""Radii from its centre to the particle's surface, at least."""


@dataclass(frozen=True)
class FittedVoid:
    """In the unheated particle's box."""

    centre_px: NDArray[np.float64]
    """(z, y, x) in voxels of the box."""
    radius_px: float

    @property
    def volume_px(self) -> float:
        return 4.0 / 3.0 * np.pi * self.radius_px**3

    def stepped(self, radius_px: float, away_px: NDArray[np.float64]) -> FittedVoid:
        """A larger one, elsewhere."""
        return FittedVoid(self.centre_px + away_px, max(self.radius_px + radius_px, _LEAST_RADIUS_PX))

    def depth(self, shape: tuple[int, ...]) -> Volume:
        """Signed distance to its surface, positive inside the void."""
        return np.asarray(self.radius_px - np.sqrt(sum(a * a for a in self._from_centre(shape))), np.float32)

    def lies_in(self, outside: Volume) -> bool:
        """Whether it is a void: one that is open to the outside is a surface that moved."""
        at = np.rint(self.centre_px).astype(int)
        if np.any(at < 0) or np.any(at >= outside.shape):
            return False
        return float(outside[tuple(at)]) < -_INSIDE * self.radius_px

    def left_of(self, outside: Volume) -> Volume:
        """The signed distance of a particle that has it."""
        return np.maximum(outside, self.depth(outside.shape))

    def slopes(self, outside: Volume) -> list[Volume]:
        """How the occupancy changes with its radius, and with its centre's z, y and x."""
        depth = self.depth(outside.shape)
        opening = np.where(depth > outside, occupancy_slope(depth), np.float32(0.0))
        away = self._from_centre(outside.shape)
        far = np.maximum(np.sqrt(sum(a * a for a in away)), 1e-3)
        return [opening, *(np.asarray(opening * a / far, np.float32) for a in away)]

    def _from_centre(self, shape: tuple[int, ...]) -> list[NDArray[np.float32]]:
        at = [np.arange(n, dtype=np.float32) - np.float32(c) for n, c in zip(shape, self.centre_px, strict=True)]
        return list(np.meshgrid(*at, indexing="ij", sparse=True))
