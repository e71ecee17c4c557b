"""From scattering to signal: what is not proportional.

Electrons that gold has scattered once are scattered again, out of the detector's reach, and a detector compresses near
its top. To second order both take the same part: ``signal = p (1 - curvature p / top)``, p the projected scattering.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.tomography.projector import Stack

_MOST = 0.35
"""Of the curvature, which is none or more: beyond, a stronger signal would hardly be stronger."""


@dataclass(frozen=True)
class SignalResponse:
    """Signal against projected scattering."""

    curvature: float = 0.0
    """Part by which the strongest signal is too low."""
    top: float = 1.0
    """The strongest projected scattering of the unheated particle."""

    def signal(self, projected: Stack) -> Stack:
        return projected * (1.0 - np.float32(self.curvature / self.top) * projected)

    def slope(self, projected: Stack) -> Stack:
        """d signal / d scattering."""
        return 1.0 - np.float32(2.0 * self.curvature / self.top) * projected

    def by_curvature(self, projected: Stack) -> Stack:
        """d signal / d curvature."""
        return -projected * projected / np.float32(self.top)

    def bent(self, curvature_step: float) -> SignalResponse:
        return SignalResponse(float(np.clip(self.curvature + curvature_step, 0.0, _MOST)), self.top)
