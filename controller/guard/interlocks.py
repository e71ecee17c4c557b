"""What a chip's readings must not show, given what was asked of it: the judgement of the guard, without its hands.

A closed loop can fail in ways that no single reading shows: a sensor that is stuck, a heater that is dead, a reading
that is always the same old one, a set point that somebody else has changed, a ramp faster than asked, a quench that
does nothing.
"""

from __future__ import annotations

import math
from collections import deque

from drivers.interfaces import HeaterReading
from drivers.limits import ChipLimits

COLD_C = 60.0
"""Below this nothing alloys and nothing burns."""
UNPOWERED_MW = 1.0
_OVERSHOOT_C, _RUNAWAY_C = 15.0, 150.0
"""A closed loop may overshoot so far before a reading counts as a breach; still powered, so far above what it holds."""
_SETPOINT_C = 5.0
_RAMP_SPAN_S, _FASTER, _NOISE_C_PER_S = 0.1, 3.0, 100.0
"""Over such a span a ramp may be so many times as fast as asked, and noise may add so much."""


def unpowered(reading: HeaterReading) -> bool:
    """Whether no heating power is seen; a chip that does not tell its power is believed."""
    return reading.power_mw is None or not reading.power_mw >= UNPOWERED_MW


def breach(limits: ChipLimits, reading: HeaterReading) -> str | None:
    """Why a single reading is not acceptable, or None."""
    read_c, power_mw = reading.temperature_c, reading.power_mw
    if not math.isfinite(read_c):
        ohm = "" if reading.resistance_ohm is None else f" ({reading.resistance_ohm:g} ohm)"
        return f"the chip reads {read_c} C{ohm}: heater or wiring broken"
    if read_c > limits.max_c + _OVERSHOOT_C:
        return f"the chip reads {read_c:.1f} C, above the limit of {limits.max_c:g} C"
    if read_c > reading.setpoint_c + _RUNAWAY_C and not unpowered(reading) and power_mw is not None:
        return (
            f"the chip reads {read_c:.1f} C at a setpoint of {reading.setpoint_c:.1f} C and is still powered: runaway"
        )
    if power_mw is not None and power_mw > limits.max_power_mw:
        return f"the heater takes {power_mw:.1f} mW, above the limit of {limits.max_power_mw:g} mW"
    return None


def not_held(limits: ChipLimits, reading: HeaterReading, held_c: float) -> str | None:
    """How a reading differs from what is to be held, once that has been reached."""
    if abs(reading.setpoint_c - held_c) > _SETPOINT_C:
        return f"the set point is {reading.setpoint_c:.1f} C, {held_c:.1f} C was asked: somebody changed it"
    if abs(reading.temperature_c - held_c) > limits.away_c:
        return f"the chip reads {reading.temperature_c:.1f} C, {held_c:.1f} C was asked"
    return None


def _dead(reading: HeaterReading) -> bool:
    return reading.power_mw is not None and reading.power_mw < UNPOWERED_MW


class _Lasting:
    """Something that may be seen for a moment, and not for long."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def told(self, found: str | None, now_s: float, limit_s: float) -> str | None:
        """What is found, once it has been found for so long."""
        if found is None:
            self._since_s = None
            return None
        self._since_s = now_s if self._since_s is None else self._since_s
        return found if now_s - self._since_s >= limit_s else None


class Interlocks:
    """Hears what is asked and sees every reading.

    `wrong` says why the chip must be made safe, or nothing; `away` that it is not held where it was asked to be, of
    which the session file says what is to follow.
    """

    def __init__(self, limits: ChipLimits) -> None:
        self._limits = limits
        self._held_c: float | None = None
        """Set point of a chip that has reached it."""
        self._rate_c_per_s: float | None = None
        """Of a ramp under way."""
        self._quenched_s: float | None = None
        self._newest: HeaterReading | None = None
        self._newest_at_s = 0.0
        self._away, self._unheated = _Lasting(), _Lasting()
        self._seen: deque[tuple[float, float]] = deque()
        """(time, temperature) of the last tenth of a second."""

    def ramping(self, rate_c_per_s: float) -> None:
        self._rate_c_per_s, self._held_c, self._quenched_s = rate_c_per_s, None, None
        self._seen.clear()

    def reached(self, target_c: float) -> None:
        self._rate_c_per_s, self._held_c = None, target_c
        self._away, self._unheated = _Lasting(), _Lasting()

    def quenched(self, now_s: float) -> None:
        self._rate_c_per_s, self._held_c = None, None
        self._quenched_s = now_s if self._quenched_s is None else self._quenched_s

    def wrong(self, reading: HeaterReading, now_s: float) -> str | None:
        """Why a reading that came at `now_s` is not acceptable."""
        if self._newest is None or reading.time_s > self._newest.time_s:
            self._newest, self._newest_at_s = reading, now_s
        return (
            breach(self._limits, reading)
            or self._stale(reading, now_s)
            or self._not_quenched(reading, now_s)
            or self._too_fast(reading)
            or self._unheated.told(self._without_power(reading), now_s, self._limits.away_s)
        )

    def away(self, reading: HeaterReading, now_s: float) -> str | None:
        """How a reading has differed for too long from what is to be held."""
        found = None if self._held_c is None else not_held(self._limits, reading, self._held_c)
        return self._away.told(found, now_s, self._limits.away_s)

    def _stale(self, reading: HeaterReading, now_s: float) -> str | None:
        old_s = now_s - self._newest_at_s
        if old_s <= self._limits.stale_s or (
            reading.temperature_c < COLD_C and self._held_c is None and self._rate_c_per_s is None
        ):
            return None
        return f"the chip has given the same reading ({reading.temperature_c:.1f} C) for {old_s:.1f} s: it is frozen"

    def _not_quenched(self, reading: HeaterReading, now_s: float) -> str | None:
        if self._quenched_s is None:
            return None
        if reading.temperature_c < COLD_C:
            self._quenched_s = None
        elif now_s - self._quenched_s > self._limits.quench_s:
            power = "" if reading.power_mw is None else f" at {reading.power_mw:.1f} mW"
            ago_s = now_s - self._quenched_s
            return f"quenched {ago_s:.1f} s ago, the chip still reads {reading.temperature_c:.1f} C{power}"
        return None

    def _too_fast(self, reading: HeaterReading) -> str | None:
        """By the chip's own time stamps: the guard may be late, and a simulated clock fast."""
        if self._rate_c_per_s is None:
            return None
        self._seen.append((reading.time_s, reading.temperature_c))
        while len(self._seen) > 2 and reading.time_s - self._seen[1][0] >= _RAMP_SPAN_S:
            self._seen.popleft()
        span_s = reading.time_s - self._seen[0][0]
        if span_s < _RAMP_SPAN_S:
            return None
        rate = abs(reading.temperature_c - self._seen[0][1]) / span_s
        if rate > _FASTER * self._rate_c_per_s + _NOISE_C_PER_S:
            return f"the chip ramps at {rate:.0f} C/s, {self._rate_c_per_s:g} C/s were asked"
        return None

    def _without_power(self, reading: HeaterReading) -> str | None:
        held = self._held_c is not None and self._held_c > COLD_C + self._limits.away_c
        if held and _dead(reading):
            return f"the chip reads {reading.temperature_c:.1f} C without heating power: sensor stuck or heater dead"
        return None
