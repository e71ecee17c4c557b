"""A closed loop on a heater behind a source meter: a current, a measurement, a judgement, and again.

One task owns the line to the instrument; whoever calls says what is wanted and waits for what it has seen. What is
wrong takes the heating power away at once, and is kept until somebody asks for that, too.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from drivers.calibration import ResistanceCalibration
from drivers.clock import Clock
from drivers.errors import DeviceError, DeviceTimeout
from drivers.four_point import FourPoint, Wiring, WiringFault, jump
from drivers.source_meter import SourceMeter
from drivers.temperature_loop import HeatBalance, SetPointRamp, TemperatureLoop

IDLE_S = 0.02
"""Between two measurements of a cold chip."""
AVERAGE_S = 0.04
"""Measurements are kept for so long: their mean has less noise."""
_BELIEVED = 3
"""In a row, that say that something is wrong: a contact may crackle."""
_ERRORS_S = 0.5
"""Between two questions for the instrument's own errors."""
_AGAIN_S, _RECENT_S = 0.1, 0.1
_COOL_C = 40.0
_DARK_V = 0.05


class HeaterMode(Enum):
    OFF = "its output off"
    SENSING = "a current too small to heat"
    HEATED = "the closed loop"


@dataclass(frozen=True)
class HeaterState:
    """A sound measurement, and what it was a measurement of."""

    seen: FourPoint
    temperature_c: float
    setpoint_c: float
    """That the current was for."""


class HeaterFault(DeviceError):
    """What is wrong with heater or wiring."""

    def __init__(self, device: str, message: str, *, safe: bool) -> None:
        super().__init__(device, message)
        self.safe = safe
        """Whether the heating power is known to be away all the same."""


class HeaterLoop:
    """Runs from `start` to `stop`, whatever happens in between.

    Parameters
    ----------
    sense_a : current of a chip that is not heated
    bounds : most current, voltage and power (A, V, W) while it is
    period_s : between two measurements of a heated chip
    closed_s : time constant of the closed loop
    """

    def __init__(
        self,
        meter: SourceMeter,
        clock: Clock,
        log: logging.Logger,
        sheet: ResistanceCalibration,
        wiring: Wiring,
        balance: HeatBalance,
        *,
        sense_a: float,
        bounds: tuple[float, float, float],
        period_s: float,
        closed_s: float,
    ) -> None:
        self.meter, self._clock, self._log = meter, clock, log
        self._sheet, self._wiring, self._balance = sheet, wiring, balance
        self._sense_a, self._bounds, self._period_s = sense_a, bounds, period_s
        self._law = TemperatureLoop(balance, closed_s)
        self._task: asyncio.Task[None] | None = None
        self._turned = asyncio.Event()
        """Of the period under way; each has its own."""
        self.wanted = HeaterMode.SENSING
        self._asked, self._shown = 0, -1
        """How often something else was wanted, and for which of these a sound measurement was seen."""
        self.ramp = SetPointRamp(balance.ambient_c, balance.ambient_c, 1.0, 0.0)
        self.fault: DeviceError | None = None
        self._switch_on = False
        """What was switched off by hand stays off until somebody asks for something."""
        self._doubts = 0
        self.states: deque[HeaterState] = deque()
        """The newest."""
        self._errors_at_s = 0.0
        self._bound_since_s: float | None = None

    @property
    def running(self) -> bool:
        return self._task is not None

    @property
    def fast(self) -> bool:
        """Whether it measures each period: while the chip is heated, and until it is cold."""
        return self.wanted is HeaterMode.HEATED or bool(self.states and self.states[-1].temperature_c > _COOL_C)

    async def start(self, limit_s: float) -> None:
        """Connect, with whatever heating power there was taken away, and measure."""
        self.states.clear()
        await self.meter.open()
        self._task = asyncio.create_task(self._go_on(), name="closed loop")
        await self.switched(HeaterMode.SENSING, limit_s)

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self.meter.is_open:
            with suppress(DeviceError):  # whoever stops it has heard of it
                await self.meter.off()
        await self.meter.close()

    async def turn(self) -> None:
        """Wait for the end of a period."""
        await self._turned.wait()

    async def switched(self, wanted: HeaterMode, limit_s: float) -> None:
        """Until a measurement begun afterwards shows it, or shows a fault with the power away.

        Raises
        ------
        DeviceError
            When the power may still be on.
        """
        self.fault = None
        self._switch_on = True
        self._want(wanted)
        try:
            async with asyncio.timeout(self._clock.patience(limit_s)):
                while self._shown != self._asked and self.fault is None:
                    await self.turn()
        except TimeoutError:
            words = f"asked for {wanted.value}, it has shown none within {limit_s:g} s; check the instrument"
            raise DeviceTimeout(self.meter.name, words) from None
        if self.fault is not None and not getattr(self.fault, "safe", False):
            raise self.fault

    def heat(self, target_c: float, rate_c_per_s: float) -> SetPointRamp:
        """From the set point, or, where there is none, from the temperature."""
        now = self._clock.now()
        heated = self.wanted is HeaterMode.HEATED
        from_c = self.ramp.at(now) if heated else self.newest().temperature_c
        self.ramp = SetPointRamp(from_c, target_c, rate_c_per_s, now)
        if not heated:
            self._law.reset()
            self._want(HeaterMode.HEATED)
        return self.ramp

    def hold(self) -> None:
        """The set point stays where it is."""
        self.ramp = self.ramp.held(self._clock.now())

    def newest(self) -> HeaterState:
        if not self.states:
            raise DeviceError(self.meter.name, "asked for a reading before there was one; connect the chip first")
        return self.states[-1]

    def steady(self) -> list[HeaterState]:
        """The newest states in which nothing moves, so that their mean is one at their mean time; else the newest."""
        newest = self.newest()
        held = [state for state in self.states if state.setpoint_c == newest.setpoint_c]
        cooling = newest.seen.asked_a <= self._sense_a and newest.temperature_c > _COOL_C
        return [newest] if cooling else held

    def at_bound_s(self) -> float:
        """For how long the power has been cut at its least or most, negative for its least."""
        if self._bound_since_s is None:
            return 0.0
        return self._law.saturated * (self._clock.now() - max(self._bound_since_s, self.ramp.began_s))

    def _want(self, wanted: HeaterMode) -> None:
        self.wanted, self._doubts, self._bound_since_s = wanted, 0, None
        self._asked += 1

    async def _go_on(self) -> None:
        while True:
            began_s = self._clock.now()
            try:
                if not self.meter.is_open:
                    await self.meter.open()
                await self._period()
                pause_s = self._period_s if self.fast else IDLE_S
            except Exception as error:  # noqa: BLE001  # a loop that ended would leave the heater as it is
                self._fail(error if isinstance(error, DeviceError) else DeviceError(self.meter.name, repr(error)))
                if not isinstance(error, HeaterFault):  # to open it anew switches off before anything else
                    await self.meter.close()
                pause_s = IDLE_S if self.meter.is_open else _AGAIN_S
            turned, self._turned = self._turned, asyncio.Event()
            turned.set()
            await self._clock.sleep(max(0.0, began_s + pause_s - self._clock.now()))

    def _fail(self, fault: DeviceError) -> None:
        if self.fault is None:
            self._log.warning("%s", fault)
            self.fault = fault
        if self.wanted is HeaterMode.HEATED:
            self._want(HeaterMode.SENSING)

    async def _period(self) -> None:
        asked = self._asked
        if self.wanted is HeaterMode.OFF:
            await self._off("was switched off")
        else:
            if self._switch_on:
                self._switch_on = self.meter.is_on = False
            setpoint_c = self._setpoint_c()
            seen = await self.meter.source(self._current_a())
            wrong = self._wiring.fault(seen)
            # What has been doubted is held against the last sound measurement, however old that is by now.
            if wrong is None and self.states and (self._doubts or seen.time_s - self.newest().seen.time_s < _RECENT_S):
                wrong = jump(self.states[-1].seen, seen, self._sheet, self._balance)
            await self._judge(seen, setpoint_c, wrong)
            if self._clock.now() - self._errors_at_s > _ERRORS_S:
                self._errors_at_s = self._clock.now()
                await self.meter.raise_errors()
        if self._doubts == 0:
            self._shown = asked

    async def _off(self, why: str) -> None:
        left = await self.meter.off()
        if not abs(left.voltage_v) < _DARK_V:
            found = f"its output {why}, and there are still {left.voltage_v:.3g} V across the heater"
            words = f"still powered: {found}; is a relay stuck? Unplug the chip"
            raise HeaterFault(self.meter.name, words, safe=False)

    async def _judge(self, seen: FourPoint, setpoint_c: float, wrong: WiringFault | None) -> None:
        if wrong is None:
            self._doubts = 0
            self.states.append(HeaterState(seen, self._sheet.temperature_c(seen.resistance_ohm), setpoint_c))
            while self.states[0].seen.time_s < seen.time_s - AVERAGE_S:
                self.states.popleft()
            return
        self._doubts += 1
        if self._doubts < _BELIEVED:
            return
        if wrong.powered and self.wanted is not HeaterMode.HEATED:
            await self._off(f"was switched off ({wrong.words})")
        raise HeaterFault(self.meter.name, wrong.words, safe=seen.asked_a <= self._sense_a)

    def _setpoint_c(self) -> float:
        return self.ramp.at(self._clock.now()) if self.wanted is HeaterMode.HEATED else self._balance.ambient_c

    def _current_a(self) -> float:
        """What to give from now on."""
        if self.wanted is not HeaterMode.HEATED or not self.states:
            return self._sense_a
        seen, temperature_c = self.states[-1].seen, self.states[-1].temperature_c
        now, span_s = self._clock.now(), self._span_s()
        # Its resistance in the middle of the time that this current is for.
        moved_c = self.ramp.at(now + 0.5 * span_s) - self.ramp.at(seen.time_s)
        ohm = self._sheet.resistance_ohm(temperature_c + moved_c)
        most_a, most_v, most_w = self._bounds
        bounds_w = (self._sense_a**2 * ohm, min(most_w, most_a**2 * ohm, most_v**2 / ohm))
        power_w = self._law.power_w(self.ramp, (seen.time_s, temperature_c), now, span_s, bounds_w)
        if self._law.saturated == 0:
            self._bound_since_s = None
        elif self._bound_since_s is None:
            self._bound_since_s = now
        return math.sqrt(power_w / ohm)

    def _span_s(self) -> float:
        """Until the next current: about as long as the last ones took."""
        if len(self.states) < 2:
            return self._period_s
        span_s = (self.states[-1].seen.time_s - self.states[0].seen.time_s) / (len(self.states) - 1)
        return min(max(span_s, self._period_s), AVERAGE_S)
