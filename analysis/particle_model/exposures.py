"""How each projection of a tilt series was taken: where its content lies, its true tilt, its strength, its background.

Beam current drifts, a particle that diffracts is brighter at one tilt, and a black level or a membrane adds the same to
all pixels of an image. So every projection has five unknowns of its own, with priors as wide as laboratories show.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.projections import Projections
from analysis.tomography.projector import Stack

FACTOR_PRIOR = 0.03
"""Of a projection's strength: beam current, diffraction."""
BACKGROUND_PRIOR = 0.03
"""Of the strongest signal: black level, membranes."""


@dataclass(frozen=True)
class Exposures:
    """One value per projection."""

    shifts_px: NDArray[np.float64]
    """(tilt, 2) as (y, x): to add to each projection's content."""
    tilt_errors_deg: NDArray[np.float64]
    factors: NDArray[np.float64]
    """(tilt,) strength beside that of the whole series."""
    backgrounds: NDArray[np.float64]
    """(tilt,) intensity that all pixels have more."""

    @classmethod
    def of(cls, projections: Projections) -> Exposures:
        """As first aligned."""
        n = len(projections.tilts_deg)
        return cls(projections.shifts_px.copy(), np.zeros(n), np.ones(n), np.zeros(n))

    def moved(self, steps: NDArray[np.float64]) -> Exposures:
        """By (tilt, 5) steps in the order of the fields."""
        return Exposures(
            self.shifts_px + steps[:, :2],
            self.tilt_errors_deg + steps[:, 2],
            self.factors + steps[:, 3],
            self.backgrounds + steps[:, 4],
        )

    def halfway(self, other: Exposures) -> Exposures:
        return Exposures(*(0.5 * (getattr(self, name) + getattr(other, name)) for name in vars(self)))

    def with_shifts(self, shifts_px: NDArray[np.float64]) -> Exposures:
        return replace(self, shifts_px=shifts_px)

    def away(self, shift_prior_px: float, tilt_prior_deg: float, top: float) -> NDArray[np.float64]:
        """(tilt, 5) how far from what is expected, in units of the priors; a shift is expected anywhere."""
        nowhere = np.zeros_like(self.shifts_px) / shift_prior_px
        rest = [
            self.tilt_errors_deg / tilt_prior_deg,
            (self.factors - 1.0) / FACTOR_PRIOR,
            self.backgrounds / (BACKGROUND_PRIOR * top),
        ]
        return np.concatenate([nowhere, np.stack(rest, axis=1)], axis=1)

    def exposed(self, projected: Stack) -> Stack:
        """What is recorded of ideal projections (tilt, y, x)."""
        factors, backgrounds = (v.astype(np.float32)[:, None, None] for v in (self.factors, self.backgrounds))
        return factors * projected + backgrounds


def slopes_of(seen: Stack, by_tilt: Stack, factors: NDArray[np.float64]) -> Stack:
    """(tilt, 5, y, x) change of a recorded projection with its own unknowns, in the order of the fields."""
    return np.stack(
        [
            np.gradient(seen, axis=1),
            np.gradient(seen, axis=2),
            by_tilt,
            seen / factors.astype(np.float32)[:, None, None],
            np.ones_like(seen),
        ],
        axis=1,
    )
