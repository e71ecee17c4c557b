"""A MEMS heating chip: first-order heat balance, four-point resistance, closed loop, fast quench.

The loop holds the *measured* temperature at its setpoint with a small lag; without power the chip cools towards
ambient with its thermal time constant. Between calls the state follows the exact solution, sampled finely enough
that diffusion in the particles can be integrated along it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from drivers.calibration import ResistanceCalibration
from drivers.interfaces import DriverContext, HeaterReading
from simulators.thermal_history import AMBIENT_C, ThermalHistory

WINDOW_OFFSETS_C: dict[str, dict[str, float]] = {
    "double-spiral": {"centre": 0.0, "edge": -34.0},
    "circular-spiral": {"centre": 0.0, "edge": 0.0},
}
"""True temperature of each window against the chip's nominal one, near 400 C (Chen et al., 2023)."""

_COOLINGS = 10.0
_WARM_C = 5.0
_SAMPLE_S = 0.005
_ALPHA_ERROR = 0.005


class SimulatedChip:
    """Implements `HeatingChip`.

    Parameters
    ----------
    loop_s : lag of the closed loop
    cooling_s : thermal time constant without power
    r0_ohm, alpha_per_c, beta_per_c2 : true resistance ``r0 (1 + alpha dT + beta dT^2)`` above 25 C
    calibration : what the chip's sheet says, a `ResistanceCalibration`; by default the truth, known to 0.5 %
    noise_ohm : resistance noise, one standard deviation
    """

    simulated = True

    def __init__(
        self,
        name: str,
        context: DriverContext,
        loop_s: float = 0.02,
        cooling_s: float = 0.12,
        r0_ohm: float = 220.0,
        alpha_per_c: float = 1.6e-3,
        beta_per_c2: float = -1.5e-7,
        noise_ohm: float = 0.02,
        watt_per_c: float = 5.5e-5,
        calibration: Mapping[str, float] | None = None,
    ) -> None:
        self.name = name
        self._clock, self._limits = context.clock, context.limits
        self._history = ThermalHistory(context.folder)
        self._rng = np.random.default_rng([context.seed, 11])
        self._loop_s, self._cooling_s = loop_s, cooling_s
        self._r0, self._alpha, self._beta, self._noise = r0_ohm, alpha_per_c, beta_per_c2, noise_ohm
        self._watt_per_c = watt_per_c
        by_truth = {"r0_ohm": r0_ohm, "alpha_per_c": alpha_per_c, "beta_per_c2": beta_per_c2}
        usual = {"alpha_std_per_c": _ALPHA_ERROR * alpha_per_c}
        self._sheet = ResistanceCalibration(**(calibration or by_truth | usual))
        self._time_s = 0.0
        self._temperature_c = AMBIENT_C
        self._powered = False
        self._target_c = self._setpoint_c = AMBIENT_C
        self._rate_c_per_s = 1.0

    async def connect(self) -> None:
        """A chip that another process has left hot is still hot, and still powered."""
        (_, left_c) = self._history.new()[-1]
        self._time_s = self._clock.now()
        if left_c > AMBIENT_C + _WARM_C:
            self._temperature_c = self._target_c = self._setpoint_c = float(left_c)
            self._powered = True
        self._history.append([(self._time_s, self._temperature_c)])

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        self._limits.check_target(self.name, target_c, rate_c_per_s)
        self._advance()
        self._setpoint_c = self._setpoint_c if self._powered else self._temperature_c
        # The loop holds what it reads: with a wrong sheet the chip is truly as hot as its resistance says.
        true_c = self._true_c(self._sheet.resistance_ohm(target_c))
        self._target_c, self._rate_c_per_s, self._powered = true_c, rate_c_per_s, True
        await self._clock.sleep(abs(true_c - self._setpoint_c) / rate_c_per_s + 4.0 * self._loop_s)
        while abs((await self.read()).temperature_c - target_c) > 0.5:
            await self._clock.sleep(self._loop_s)

    async def quench(self) -> None:
        self._advance()
        self._powered = False
        self._target_c = self._setpoint_c = AMBIENT_C

    async def read(self) -> HeaterReading:
        self._advance()
        rise_c = self._temperature_c - AMBIENT_C
        ohm = self._ohm(self._temperature_c) + float(self._rng.normal(0.0, self._noise))
        return HeaterReading(
            time_s=self._time_s,
            temperature_c=self._sheet.temperature_c(ohm),
            setpoint_c=self._sheet.temperature_c(self._ohm(self._setpoint_c)),
            resistance_ohm=ohm,
            power_mw=1e3 * self._watt_per_c * max(0.0, rise_c) if self._powered else 0.0,
            temperature_std_c=self._sheet.temperature_std_c(ohm),
        )

    async def make_safe(self) -> None:
        await self.quench()

    async def close(self) -> None:
        """Once it is cold: what it leaves in the thermal history is how the sample was left."""
        await self.quench()
        if self._temperature_c > AMBIENT_C + _WARM_C:
            await self._clock.sleep(_COOLINGS * self._cooling_s)
            self._advance()

    def _ohm(self, true_c: float) -> float:
        rise_c = true_c - AMBIENT_C
        return self._r0 * (1.0 + self._alpha * rise_c + self._beta * rise_c**2)

    def _true_c(self, ohm: float) -> float:
        """The temperature at which the heater truly has this resistance, by Newton's method."""
        rise_c = (ohm / self._r0 - 1.0) / self._alpha
        for _ in range(20):
            slope = self._r0 * (self._alpha + 2.0 * self._beta * rise_c)
            rise_c -= (self._ohm(AMBIENT_C + rise_c) - ohm) / slope
        return AMBIENT_C + rise_c

    def _advance(self) -> None:
        """Bring the state to the present, sampling changes finely and plateaus not at all."""
        now = self._clock.now()
        points = []
        while self._time_s < now:
            settled = self._setpoint_c == self._target_c and abs(self._temperature_c - self._setpoint_c) < 1e-3
            step = now - self._time_s if settled else min(_SAMPLE_S, now - self._time_s)
            if self._powered:
                self._follow(step)
            else:
                decay = math.exp(-step / self._cooling_s)
                self._temperature_c = AMBIENT_C + (self._temperature_c - AMBIENT_C) * decay
            self._time_s = now if settled else self._time_s + step
            points.append((self._time_s, self._temperature_c))
            if now - self._time_s < 1e-12:
                self._time_s = now
        self._history.append(points)

    def _follow(self, step: float) -> None:
        """Exact response of a first-order lag to the setpoint's ramp over one step."""
        wanted = self._target_c - self._setpoint_c
        change = math.copysign(min(abs(wanted), self._rate_c_per_s * step), wanted)
        slope = change / step
        lag = self._temperature_c - self._setpoint_c + slope * self._loop_s
        self._setpoint_c = self._target_c if abs(change) == abs(wanted) else self._setpoint_c + change
        self._temperature_c = self._setpoint_c - slope * self._loop_s + lag * math.exp(-step / self._loop_s)
