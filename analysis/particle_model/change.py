"""What may have become of a particle besides alloying: it turned, its surface moved, carbon grew, the focus changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.particle_model.model import ParticleModel
from analysis.particle_model.shape_modes import shape_modes
from analysis.particle_model.turned import Turned, angle_deg, turn_by
from analysis.particle_model.void import FittedVoid

COATS = 2
"""Layers of contamination."""
_LEAST_TURN_DEG = 0.01
_LEAST_BLUR_PX2 = 0.1


@dataclass(frozen=True)
class Change:
    """Of one state, beside the unheated particle."""

    turn: NDArray[np.float64]
    """(3, 3) rotation on (z, y, x)."""
    moved_px: NDArray[np.float64]
    """Amounts of `shape_modes`."""
    coats: NDArray[np.float64]
    """Growth of the innermost layers of the surroundings, as intensity."""
    blur_px2: float
    """Growth of the blur's variance."""
    void: FittedVoid | None = None

    @classmethod
    def none(cls) -> Change:
        return cls(np.eye(3), np.zeros(3), np.zeros(COATS), 0.0)

    def stepped(
        self,
        turns_deg: NDArray[np.float64],
        moved_px: NDArray[np.float64],
        coats: NDArray[np.float64],
        blur_px2: float,
        void_px: NDArray[np.float64],
    ) -> Change:
        """With a further small turn and more of the rest; of a void, if there is one: radius, z, y and x."""
        return Change(
            turn_by(turns_deg) @ self.turn,
            self.moved_px + moved_px,
            self.coats + coats,
            self.blur_px2 + blur_px2,
            None if self.void is None else self.void.stepped(float(void_px[0]), void_px[1:]),
        )

    @property
    def turned_deg(self) -> float:
        """About whatever axis."""
        return angle_deg(self.turn)

    def of(self, model: ParticleModel, columns: int) -> tuple[ParticleModel, Turned | None]:
        """The model after it, and how it turns fields; in projections of so many columns."""
        outer, turned = self.outer(model, columns)
        return self.hollowed(outer, turned), turned

    def outer(self, model: ParticleModel, columns: int) -> tuple[ParticleModel, Turned | None]:
        """The same without a void."""
        shaped = model
        if self.moved_px.any():
            modes = shape_modes(model)
            moved = sum((np.float32(a) * m for a, m in zip(self.moved_px, modes, strict=True)), model.outside)
            shaped = replace(shaped, outside=moved)
        if self.coats.any():
            grown = zip(self.coats, model.coats(), strict=False)
            shaped = replace(shaped, surroundings=sum((np.float32(a) * c for a, c in grown), model.surroundings))
        if self.blur_px2:
            blur_px = float(np.sqrt(max(_LEAST_BLUR_PX2, model.blur_px**2 + self.blur_px2)))
            shaped = replace(shaped, blur_px=blur_px)
        if self.turned_deg < _LEAST_TURN_DEG:
            return shaped, None
        turned = Turned(shaped, self.turn, columns)
        return turned.particle, turned

    def hollowed(self, outer: ParticleModel, turned: Turned | None) -> ParticleModel:
        """With the void, which turns with the particle."""
        if self.void is None:
            return outer
        if turned is None:
            return replace(outer, outside=self.void.left_of(outer.outside))
        depth = turned.field(self.void.depth(turned.model.outside.shape))
        return replace(outer, outside=np.maximum(outer.outside, depth))
