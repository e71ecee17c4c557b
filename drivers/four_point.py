"""One four-point measurement of a heater, and what it says about the wiring."""

from __future__ import annotations

import math
from dataclasses import dataclass

from drivers.calibration import ResistanceCalibration
from drivers.temperature_loop import HeatBalance

_OFF_PART, _OFF_A = 0.05, 5e-5
"""A source may be so far from what it was asked for: of it, and at least."""
_COMPLIANT = 0.95
_OPEN = 0.2
"""A source at its compliance that gives less of its current than this has nothing to drive it through."""
_COLDER_C, _HOTTER_C = 60.0, 200.0
"""So far below the surroundings, or above the limit, no heater is: its wiring is."""
_JUMP_C, _JUMP_PART = 20.0, 0.5
"""Beside what the heat balance says, and of that, between two readings: more is no heat but a contact."""


@dataclass(frozen=True)
class FourPoint:
    """Current through a heater and voltage across it."""

    time_s: float
    asked_a: float
    current_a: float
    """As the source has read it back."""
    voltage_v: float

    @property
    def resistance_ohm(self) -> float:
        return self.voltage_v / self.current_a if self.current_a > 0.0 else math.nan

    @property
    def power_w(self) -> float:
        return abs(self.current_a * self.voltage_v)


@dataclass(frozen=True)
class WiringFault:
    words: str
    powered: bool = False
    """The heater may still be powered, though next to no current was asked for."""


@dataclass(frozen=True)
class Wiring:
    """What a sound heater can read."""

    least_ohm: float
    most_ohm: float
    compliance_v: float

    @classmethod
    def of(cls, sheet: ResistanceCalibration, ambient_c: float, max_c: float, compliance_v: float) -> Wiring:
        """Raises `ValueError` for a calibration that does not rise all the way."""
        least, most = sheet.resistance_ohm(ambient_c - _COLDER_C), sheet.resistance_ohm(max_c + _HOTTER_C)
        slopes = (
            sheet.alpha_per_c + 2.0 * sheet.beta_per_c2 * (t - sheet.reference_c)
            for t in (ambient_c, max_c + _HOTTER_C)
        )
        if not (0.0 < least < most and min(slopes) > 0.0):
            raise ValueError(
                f"calibration: by it the resistance does not rise up to {max_c + _HOTTER_C:g} C, so that it tells no "
                "temperature; check alpha_per_c and beta_per_c2 against the chip's sheet"
            )
        return cls(least, most, compliance_v)

    def fault(self, seen: FourPoint) -> WiringFault | None:
        """What is wrong by one measurement, in words, or None."""
        told = f"{1e3 * seen.current_a:.3g} mA flow, {1e3 * seen.asked_a:.3g} mA were asked"
        off_a = max(_OFF_A, _OFF_PART * seen.asked_a)
        if not math.isfinite(seen.voltage_v) or not math.isfinite(seen.current_a):
            return WiringFault("the voltage is beyond the range of the meter: heater or sense lead broken")
        if seen.current_a > seen.asked_a + off_a:
            return WiringFault(f"still powered: {told}; is a relay stuck? Unplug the chip", powered=True)
        if seen.current_a < seen.asked_a - off_a and abs(seen.voltage_v) > _COMPLIANT * self.compliance_v:
            if seen.current_a < _OPEN * seen.asked_a:
                return WiringFault(f"open heater: {told} at {seen.voltage_v:.3g} V; check the force leads and the chip")
            return WiringFault(f"in compliance at {seen.voltage_v:.3g} V: {told}; a force lead has a poor contact")
        if seen.current_a < seen.asked_a - off_a:
            return WiringFault(f"the source gives too little: {told}; was its output switched off by hand?")
        return self._by_resistance(seen)

    def _by_resistance(self, seen: FourPoint) -> WiringFault | None:
        ohm = seen.resistance_ohm
        if ohm > self.most_ohm:
            where = f"{seen.voltage_v:.3g} V across the heater at {1e3 * seen.asked_a:.3g} mA ({ohm:.4g} ohm)"
            return WiringFault(f"still powered, or a broken contact: {where}; is a relay stuck? Unplug the chip", True)
        if not ohm >= self.least_ohm:
            found = f"{ohm:.3g} ohm at {1e3 * seen.current_a:.3g} mA, a cold heater has more than {self.least_ohm:.3g}"
            return WiringFault(f"sense lead off: {found}; check the sense leads")
        return None


def jump(before: FourPoint, seen: FourPoint, sheet: ResistanceCalibration, balance: HeatBalance) -> WiringFault | None:
    """A resistance that changes faster than heat can: a sense lead that is off, and follows its force lead."""
    span_s = seen.time_s - before.time_s
    before_c, now_c = sheet.temperature_c(before.resistance_ohm), sheet.temperature_c(seen.resistance_ohm)
    # When within that time the power has changed is not known.
    slow_c, fast_c = sorted(balance.rise_c(before_c, power_w, span_s) for power_w in (before.power_w, seen.power_w))
    rise_c = now_c - before_c
    beyond_c = max(slow_c - rise_c, rise_c - fast_c)
    if beyond_c < _JUMP_C + _JUMP_PART * max(abs(slow_c), abs(fast_c)):
        return None
    change = f"{seen.resistance_ohm - before.resistance_ohm:+.3g} ohm ({rise_c:+.0f} C)"
    return WiringFault(f"sense lead off, or a bad contact: {change} within {1e3 * span_s:.0f} ms is not heat")
