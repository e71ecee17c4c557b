"""One heated state of a particle, as the fits of all its states take it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.diffusion.heated_state import HeatedState
from analysis.particle_model.model import ParticleModel
from analysis.tomography.projections import Projections
from drivers.frames import FrameHeader


@dataclass(frozen=True)
class FittedState:
    """What one heated state taught."""

    header: FrameHeader
    degree: float
    """Degree of alloying from the reconstruction."""
    artefact_degree: float
    """By how much it may be too low for streaks in the reconstruction."""
    projections: Projections
    state: HeatedState
    reshaped: bool
    """It lost its shape by now: lattice diffusion is not all that happens."""
    problems: list[str]

    @property
    def told_ln_tau(self) -> float | None:
        """By the projections, where they tell it."""
        return self.state.ln_tau if np.isfinite(self.state.ln_std) else None

    def volume_left(self, unheated: ParticleModel) -> float:
        """Part of the unheated particle's."""
        if "lost" not in self.state.causes:
            return 1.0
        return 1.0 - float(self.state.point.change.moved_px[0]) * unheated.surface_px2 / unheated.volume_px
