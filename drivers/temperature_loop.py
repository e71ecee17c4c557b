"""The mathematics of a closed loop on a heater's temperature: set point, feed-forward and feedback.

The heater is a first-order one, ``C dT/dt = P - G (T - T_ambient)`` with ``C = G tau``; what the loop moves is the
power, in which it is linear. Feed-forward gives what the heat balance says is needed, a PI controller in the form of
internal model control (Rivera, Morari and Skogestad, Ind. Eng. Chem. Process Des. Dev. 25, 252, 1986) what it does not
know. For a first-order heater that form has no derivative part, which would only make power of noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class HeatBalance:
    """What is known of a heater; the loop makes up for a fifth that is wrong."""

    watt_per_c: float
    """Lost to the surroundings, per degree above them."""
    time_s: float
    """In which it cools to 1/e without power."""
    ambient_c: float

    def power_w(self, temperature_c: float, slope_c_per_s: float = 0.0) -> float:
        """That holds a temperature, or keeps it rising."""
        return self.watt_per_c * (temperature_c - self.ambient_c + self.time_s * slope_c_per_s)

    def rise_c(self, temperature_c: float, power_w: float, span_s: float) -> float:
        """Of the temperature in a time with that power."""
        end_c = self.ambient_c + power_w / self.watt_per_c
        return (end_c - temperature_c) * -math.expm1(-span_s / self.time_s)


@dataclass(frozen=True)
class SetPointRamp:
    """The set point against time: from where it was to where it is to be, at a rate, and there it stays."""

    from_c: float
    target_c: float
    rate_c_per_s: float
    began_s: float

    def at(self, time_s: float) -> float:
        span_c = self.target_c - self.from_c
        done_c = self.rate_c_per_s * max(0.0, time_s - self.began_s)
        return self.target_c if done_c >= abs(span_c) else self.from_c + math.copysign(done_c, span_c)

    def held(self, time_s: float) -> SetPointRamp:
        """One that stays where this one is."""
        here_c = self.at(time_s)
        return SetPointRamp(here_c, here_c, self.rate_c_per_s, time_s)


class TemperatureLoop:
    """From the set point and the measured temperature to the power.

    Parameters
    ----------
    balance : what is known of the heater
    closed_s : time constant with which an error is to vanish; several periods of the loop
    """

    def __init__(self, balance: HeatBalance, closed_s: float) -> None:
        self._balance = balance
        self._watt_per_c = balance.watt_per_c * balance.time_s / closed_s
        self._integral_w = 0.0
        self.saturated = 0
        """-1 or 1 where the last power was cut at its lower or upper bound."""

    def reset(self) -> None:
        self._integral_w, self.saturated = 0.0, 0

    def power_w(
        self,
        ramp: SetPointRamp,
        measured: tuple[float, float],
        now_s: float,
        span_s: float,
        bounds_w: tuple[float, float],
    ) -> float:
        """What to heat with from now on, for about `span_s`.

        Parameters
        ----------
        measured : time and temperature of the newest reading
        bounds_w : least and most power
        """
        error_c = ramp.at(measured[0]) - measured[1]
        # The set point's slope in the time that this power is for: one period late, a ramp would end too high.
        slope_c_per_s = (ramp.at(now_s + span_s) - ramp.at(now_s)) / span_s
        known_w = self._balance.power_w(ramp.at(now_s + 0.5 * span_s), slope_c_per_s)
        step_w = self._watt_per_c * error_c * span_s / self._balance.time_s
        wanted_w = known_w + self._watt_per_c * error_c + self._integral_w + step_w
        power_w = min(max(wanted_w, bounds_w[0]), bounds_w[1])
        self.saturated = (wanted_w > bounds_w[1]) - (wanted_w < bounds_w[0])
        # Anti-windup: at a bound nothing more is gathered that would push beyond it.
        if self.saturated * step_w <= 0.0:
            self._integral_w += step_w
        return power_w
