"""A MEMS heater as a source meter meets it: a resistor that warms itself, with leads that may come off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drivers.clock import Clock
from simulators.thermal_history import AMBIENT_C, ThermalHistory

_STEP_S, _POINT_S = 0.001, 0.005
_STEADY_C = 0.002
_OPEN_OHM = 1e9


@dataclass
class HeaterFaults:
    """What may go wrong, switched on and off while it runs."""

    sense_lead: Literal["on", "floats", "follows"] = "on"
    """Off, it reads next to nothing, or what its force lead has, by the resistor inside the instrument."""
    heater_open: bool = False
    relay_stuck: bool = False
    """The current stays what it was, whatever the instrument is told, and tells."""


class Heater:
    """``C dT/dt = I^2 R(T) - G (T - T_ambient)``, ``C = G cooling_s``, its true temperature in the thermal history.

    Parameters
    ----------
    r0_ohm, alpha_per_c, beta_per_c2 : true resistance ``r0 (1 + alpha dT + beta dT^2)`` above 25 C
    watt_per_c : G; by default 25 mW at 450 C
    cooling_s : time constant without power
    lead_ohm : of both force leads together
    """

    def __init__(
        self,
        history: ThermalHistory,
        clock: Clock,
        r0_ohm: float = 220.0,
        alpha_per_c: float = 1.6e-3,
        beta_per_c2: float = -1.5e-7,
        watt_per_c: float = 5.88e-5,
        cooling_s: float = 0.1,
        lead_ohm: float = 20.0,
    ) -> None:
        self._history, self._clock = history, clock
        self._r0, self._alpha, self._beta = r0_ohm, alpha_per_c, beta_per_c2
        self._watt_per_c, self._capacity = watt_per_c, watt_per_c * cooling_s
        self._lead_ohm = lead_ohm
        self.faults = HeaterFaults()
        self.temperature_c = AMBIENT_C
        self._asked_a = self._stuck_a = 0.0
        self._compliance_v = self._stuck_v = 21.0
        self._time_s = self._noted_s = clock.now()
        self._noted_c = AMBIENT_C
        history.append([(self._time_s, AMBIENT_C)])

    def drive(self, current_a: float, compliance_v: float) -> None:
        """What the source is told to give."""
        self.advance()
        self._asked_a, self._compliance_v = current_a, compliance_v
        if not self.faults.relay_stuck:
            self._stuck_a, self._stuck_v = current_a, compliance_v

    @property
    def resistance_ohm(self) -> float:
        rise_c = self.temperature_c - AMBIENT_C
        return self._r0 * (1.0 + self._alpha * rise_c + self._beta * rise_c**2)

    @property
    def current_a(self) -> float:
        """That truly flows."""
        return self._limited(self._stuck_a, self._stuck_v)

    @property
    def told_current_a(self) -> float:
        """That the instrument reads back: with a stuck relay, what it was told to give."""
        return self._limited(self._asked_a, self._compliance_v)

    def voltage_v(self, *, four_point: bool) -> float:
        """Between the sense leads, or else between the force leads."""
        if four_point and self.faults.sense_lead == "floats":
            return 0.0
        follows = self.faults.sense_lead == "follows"
        if self.faults.heater_open:
            return min(self._stuck_v, abs(self._stuck_a) * _OPEN_OHM)
        return self.current_a * (self.resistance_ohm + (self._lead_ohm if follows or not four_point else 0.0))

    def advance(self) -> None:
        """Bring the temperature to the present, by the midpoint rule."""
        now, points = self._clock.now(), []
        while (left_s := now - self._time_s) > 0.0:
            step_s = min(_STEP_S, left_s)
            began_c = self.temperature_c
            self.temperature_c = began_c + 0.5 * step_s * self._slope_c_per_s()
            self.temperature_c = began_c + step_s * self._slope_c_per_s()
            self._time_s = now if left_s <= _STEP_S else self._time_s + step_s
            moved = abs(self.temperature_c - self._noted_c) > _STEADY_C
            if moved and self._time_s - self._noted_s >= _POINT_S:
                points += self._point()
        if points or self._time_s - self._noted_s >= 20.0 * _POINT_S:
            points += self._point()
            self._history.append(points)

    def _point(self) -> list[tuple[float, float]]:
        self._noted_s, self._noted_c = self._time_s, self.temperature_c
        return [(self._time_s, self.temperature_c)]

    def _limited(self, current_a: float, compliance_v: float) -> float:
        if self.faults.heater_open:
            return min(current_a, compliance_v / _OPEN_OHM)
        return max(-compliance_v / self.resistance_ohm, min(current_a, compliance_v / self.resistance_ohm))

    def _slope_c_per_s(self) -> float:
        heat_w = 0.0 if self.faults.heater_open else self.current_a**2 * self.resistance_ohm
        return (heat_w - self._watt_per_c * (self.temperature_c - AMBIENT_C)) / self._capacity
