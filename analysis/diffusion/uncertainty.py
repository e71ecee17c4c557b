"""How well temperature, magnification and time are known: what no tilt series tells, in sigma all the same.

The defaults are a careful laboratory's. 2.3 C at 450 C is 11 % of D; a magnification that was calibrated once is good
to 1 %, which is 2 % of D.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analysis.results.diffusivity import TEMPERATURE_CALIBRATION
from drivers.frames import HeatPulse
from drivers.toml_file import Strict
from drivers.units import GAS_CONSTANT_J_PER_MOL_K, kelvin

_USUAL_Q_J_PER_MOL = 200e3
TEMPERATURE_OF_PULSES, LENGTH_OF_PULSES = "temperature of pulses", "length of pulses"
"""Causes of systematic errors, as they are told."""


class Uncertainty(Strict):
    """One standard deviation each, as a session file or a manifest says them."""

    temperature_c: float = Field(2.3, ge=0.0, le=200.0)
    """Of the chip's calibration: all pulses alike, all windows alike."""
    window_c: float = Field(0.5, ge=0.0, le=200.0)
    """Of a window besides: all its pulses alike."""
    pulse_c: float = Field(1.0, ge=0.0, le=200.0)
    """Of each pulse by itself."""
    pulse_s: float = Field(0.1, ge=0.0, le=60.0)
    """Of each pulse's length by itself, where its own readings do not tell."""
    pixel_size_percent: float = Field(1.0, ge=0.0, le=50.0)
    """Of the magnification's calibration."""
    beam_current_percent: float = Field(3.0, ge=0.0, le=50.0)
    """Of the beam's current from one tilt series to another; D does not ask for it, the mean composition does."""

    def budget(
        self, temperatures_c: tuple[float, ...], pulses: Sequence[HeatPulse], q_j_per_mol: float | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Standard deviations of ln D by cause, at each temperature.

        ``d ln D / d T = Q / R T^2``, and D goes with length squared.

        Temperatures that are equal to 0.1 C are one.
        """
        q = _USUAL_Q_J_PER_MOL if q_j_per_mol is None else q_j_per_mol
        per_c = q / (GAS_CONSTANT_J_PER_MOL_K * np.array([kelvin(t) for t in temperatures_c]) ** 2)
        of_pulses_c, of_lengths = self.of_pulses(temperatures_c, pulses)
        return {
            TEMPERATURE_CALIBRATION: per_c * np.hypot(self.temperature_c, self.window_c),
            TEMPERATURE_OF_PULSES: per_c * of_pulses_c,
            LENGTH_OF_PULSES: of_lengths,
            "pixel size": np.full(len(temperatures_c), 0.02 * self.pixel_size_percent),
        }

    def of_pulses(
        self, temperatures_c: tuple[float, ...], pulses: Sequence[HeatPulse]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How far all the heat at each temperature is off together: in C, and as part of its length.

        Of a temperature without a pulse, as one pulse would be, of whatever length.
        """
        at = [[p for p in pulses if round(p.temperature_c, 1) == t] for t in temperatures_c]
        length = [np.array([p.duration_s for p in own] or [np.inf]) for own in at]
        # Early pulses are in every state: of many alike, so many count by themselves.
        alone = np.array([float(np.linalg.norm(s / s.sum())) if np.isfinite(s).all() else 1.0 for s in length])
        off = [np.array([p.std_s or self.pulse_s for p in own] or [self.pulse_s]) for own in at]
        timing = np.array([float(np.linalg.norm(o) / s.sum()) for o, s in zip(off, length, strict=True)])
        return self.pulse_c * alone, timing
