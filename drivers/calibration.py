"""From the resistance of a heater to its temperature, and how well that is known.

``R = R0 (1 + alpha dT + beta dT^2)``, dT above the temperature at which R0 was measured: what the sheet of a MEMS chip
says. Every driver of a four-point heater may use it; a chip whose maker converts by itself need not.
"""

from __future__ import annotations

import math

from pydantic import Field

from drivers.toml_file import Strict


class ResistanceCalibration(Strict):
    """One chip's calibration; the standard deviations are of independent errors."""

    r0_ohm: float = Field(gt=0)
    alpha_per_c: float = Field(gt=0)
    beta_per_c2: float = 0.0
    reference_c: float = 25.0
    r0_std_ohm: float = Field(0.0, ge=0)
    alpha_std_per_c: float = Field(0.0, ge=0)
    beta_std_per_c2: float = Field(0.0, ge=0)

    def resistance_ohm(self, temperature_c: float) -> float:
        rise = temperature_c - self.reference_c
        return self.r0_ohm * (1.0 + self.alpha_per_c * rise + self.beta_per_c2 * rise**2)

    def temperature_c(self, resistance_ohm: float) -> float:
        """The temperature at which the heater has this resistance; not a number where the formula ends."""
        ratio = resistance_ohm / self.r0_ohm - 1.0
        if self.beta_per_c2 == 0.0:
            return self.reference_c + ratio / self.alpha_per_c
        inside = self.alpha_per_c**2 + 4.0 * self.beta_per_c2 * ratio
        if inside < 0.0:
            return math.nan
        # This form of the root keeps its digits where beta is small.
        return self.reference_c + 2.0 * ratio / (self.alpha_per_c + math.sqrt(inside))

    def temperature_std_c(self, resistance_ohm: float) -> float:
        """Standard deviation of that temperature, by the calibration's errors carried through."""
        rise = self.temperature_c(resistance_ohm) - self.reference_c
        slope = self.alpha_per_c + 2.0 * self.beta_per_c2 * rise
        by_r0 = resistance_ohm / self.r0_ohm**2 * self.r0_std_ohm
        return math.hypot(by_r0, rise * self.alpha_std_per_c, rise**2 * self.beta_std_per_c2) / abs(slope)
