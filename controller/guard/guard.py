"""The guard owns the chip driver and makes the chip safe when anything is wrong.

It refuses what is outside the limits before sending, looks at every reading, and quenches when the controller's
heartbeat stops. In `alloyscope run` it lives in a process of its own (`controller.guard.process`); in a dry run the
same class runs on the stepped clock. Once it has tripped, the chip stays cold until a new session.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from controller.guard.chip_readings import ChipReadings
from controller.guard.interlocks import COLD_C, Interlocks, breach, unpowered
from drivers.clock import Clock, within
from drivers.errors import AlloyscopeError, DeviceError, InterlockTripped, ungrouped
from drivers.interfaces import HeaterReading, HeatingChip
from drivers.limits import ChipLimits
from drivers.persistence import persistently
from drivers.recorded.journal import Journal
from drivers.recorded.records import AwayBorne, Cold, GuardRecord, MadeSafe, MakeSafeFailed, Quenched, RampAsked

_COLD_LIMIT_S = 10.0
"""Silence while the chip is cold: nothing burns, and a controller that reconstructs may well be late."""
_READ, _READ_LIMIT_S = "give a reading", 1.5
_COOLING_LIMIT_S = 10.0
_AMBIENT_C = 25.0
_OFF_LIMIT_S = 2.0
"""For switching off; a driver that has not come back by then hangs."""
_QUENCH_LIMIT_S = 2.0
_FAILED_READINGS = 2
"""In a row, that are borne: a bus may stumble."""
_AGAIN_S = 0.5
"""Until the next try to switch off a chip that does not answer."""
_QUICK_S, _STEADY_C = 0.02, 1.0
"""While readings change by more, the next one comes sooner."""


class Guard:
    """A `HeatingChip` that wraps another one.

    Parameters
    ----------
    watch_clock : real time in a process of its own; the stepped clock in a dry run
    period_s : between two looks at the chip
    heartbeat_limit_s : without a heartbeat for this long a chip that is not cold is made safe
    on_hang : what to do when the driver hangs while it is to switch off; by default it is asked again
    """

    def __init__(
        self,
        chip: HeatingChip,
        limits: ChipLimits,
        journal: Journal,
        readings: ChipReadings,
        watch_clock: Clock,
        *,
        period_s: float,
        heartbeat_limit_s: float,
        on_hang: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = chip.name
        self.simulated = chip.simulated
        self.tripped: str | None = None
        self.connected = False
        """Once; what has never been reached was never heated by us."""
        self._chip, self._limits, self._journal, self._readings = chip, limits, journal, readings
        self._interlocks = Interlocks(limits)
        self._clock = watch_clock
        self._period_s, self._limit_s = period_s, heartbeat_limit_s
        self._on_hang = on_hang
        self._last_beat_s = watch_clock.now()
        self._last: HeaterReading | None = None
        self._cold, self._moving = True, False
        self._to_confirm: MadeSafe | None = None
        """Of a trip whose effect no reading has shown yet."""
        self._cold_noted = True
        self._ramp: asyncio.Task[None] | None = None
        self._comes_down: str | None = None
        """Why it is ramped down, to be made safe at the end."""
        self._borne = False
        self._ramp_begins = asyncio.Lock()

    async def connect(self) -> None:
        await self._chip.connect()
        self.connected = True
        self._last = await self._chip.read()
        self._last_beat_s = self._clock.now()

    def beat(self) -> None:
        """The controller is alive."""
        self._last_beat_s = self._clock.now()

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        self._refuse_if_tripped()
        if self._comes_down is not None:
            raise InterlockTripped(
                f"{self.name}: {self._comes_down}; it is being ramped down: find the cause, then start a new session"
            )
        self._limits.check_target(self.name, target_c, rate_c_per_s)
        with ungrouped():
            # Of two that are asked for at once, the later one goes on: one that is left behind never arrives.
            async with asyncio.TaskGroup() as tasks, self._ramp_begins:
                await self._end_ramp()
                self._refuse_if_tripped()
                self._journal.write(RampAsked(target_c=target_c, rate_c_per_s=rate_c_per_s))
                self._cold = False
                self._interlocks.ramping(rate_c_per_s)
                ramp = self._ramp = tasks.create_task(self._chip.ramp_to(target_c, rate_c_per_s), name="ramp")
        self._refuse_if_tripped()
        if not ramp.cancelled():
            self._interlocks.reached(target_c)

    async def quench(self) -> None:
        if self._comes_down is not None and self._ramp is not None:
            await asyncio.wait([self._ramp])  # a pulse that is over meanwhile is no reason for haste
        await self._end_ramp()
        self._interlocks.quenched(self._clock.now())
        try:
            await persistently(self._clock, self._quench_once, self._failed)
        except Exception as error:
            # A chip that will not quench is switched off, for as long as it takes.
            await self.trip(f"it could not be quenched ({str(error) or type(error).__name__})")
            raise
        self._journal.write(Quenched())

    async def _quench_once(self) -> None:
        await within(self._clock, _QUENCH_LIMIT_S, self.name, "quench", self._chip.quench())

    async def read(self) -> HeaterReading:
        self._refuse_if_tripped()
        if self._last is None:
            raise DeviceError(self.name, "asked for a reading before connect; connect the chip first")
        return self._last

    async def emergency_stop(self) -> None:
        await self.trip("emergency stop")
        await self.until_cold()

    async def seen_after(self) -> dict[str, float | bool] | None:
        """A reading newer than this call, for whoever has switched the chip off; None where there is none."""
        seen = await self._tried(_READ, self._look_once(), _READ_LIMIT_S)
        last = self._last
        return asdict(last) | {"off": unpowered(last)} if seen and last is not None else None

    async def make_safe(self) -> None:
        await self._end_ramp()
        await self._chip.make_safe()

    async def _end_ramp(self) -> None:
        """A ramp still under way must not power the heater again."""
        if self._ramp is not None and not self._ramp.done():
            self._ramp.cancel()
            await asyncio.wait([self._ramp], timeout=1.0)

    async def close(self) -> None:
        """Let go of the chip once it is cold; raises `DeviceTimeout` when it does not cool."""
        try:
            if not self._cold:
                await within(self._clock, _COOLING_LIMIT_S, self.name, "cool down", self._cooled())
        finally:
            await self._chip.close()

    async def _cooled(self) -> None:
        await self.switch_off()
        await self.until_cold()

    async def watch(self) -> None:
        """Look at the chip for ever; raises `InterlockTripped` once the chip has been made safe and is cold."""
        looks = [asyncio.create_task(self._until_silent()), asyncio.create_task(self._until_wrong())]
        try:
            done, _ = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for look in looks:  # not waited for: a reading that hangs must not keep the chip hot
                look.cancel()
        reason = done.pop().result()
        await self.trip(reason)
        await self.until_cold()
        raise InterlockTripped(f"{self.name}: {reason}; the chip was made safe")

    async def trip(self, reason: str) -> None:
        """Make the chip safe at once; that it is, and why, is written down when a fresh reading shows it."""
        if self.tripped is None:
            hot_c = None if self._last is None else self._last.temperature_c
            known_c = round(hot_c, 1) if hot_c is not None and math.isfinite(hot_c) else None
            silence_s = round(self.silence_s, 3)
            self._to_confirm = MadeSafe(reason=reason, since_heartbeat_s=silence_s, temperature_c=known_c)
            self._cold = False
        self.tripped = self.tripped or reason
        await self.switch_off()

    async def until_cold(self) -> None:
        """Follow a chip that has been switched off until it is cold; while it is still powered, switch it off again."""
        # A chip that was cooling already may be seen cold by another task before its trip is confirmed.
        while not self._cold or self._to_confirm is not None:
            seen = await self._tried(_READ, self._look_once(), _READ_LIMIT_S)
            last = self._last
            off = seen and last is not None and math.isfinite(last.temperature_c) and unpowered(last)
            if off and self._to_confirm is not None:
                self._note(self._to_confirm)
                self._to_confirm = None
            if self._cold:
                self._note_cold()
                return
            if not off:
                await self.switch_off()
            await self._clock.sleep(_QUICK_S if off else _AGAIN_S)

    @property
    def hot(self) -> bool:
        """Whether the chip is not known to be cold."""
        return not self._cold

    @property
    def silence_s(self) -> float:
        """Since the last heartbeat."""
        return self._clock.now() - self._last_beat_s

    async def switch_off(self) -> None:
        """Try to; where the driver hangs, others may know what to do."""
        began_s = self._clock.now()
        done = await self._tried("switch off", self.make_safe(), _OFF_LIMIT_S)
        if not done and self.connected and self._clock.now() - began_s >= _OFF_LIMIT_S:
            self._on_hang()

    async def _tried(self, asked: str, call: Coroutine[Any, Any, object], limit_s: float) -> bool:
        """Whether the driver did it in time; a failure is written down."""
        try:
            await within(self._clock, limit_s, self.name, asked, call)
        except Exception as error:  # noqa: BLE001  # a driver may raise anything; the next try is what matters
            self._note(MakeSafeFailed(message=str(error) or type(error).__name__))
            return False
        return True

    def _failed(self, words: str) -> None:
        self._note(MakeSafeFailed(message=words))

    def _note(self, record: GuardRecord) -> None:
        """A full disk must not keep the chip hot."""
        with suppress(AlloyscopeError, OSError):
            self._journal.write(record)

    async def _until_silent(self) -> str:
        """On its own, so that a slow reading delays nothing."""
        while True:
            limit_s = max(self._limit_s, _COLD_LIMIT_S) if self._cold else self._limit_s
            if self.silence_s > limit_s:
                # Where this process was held up, beats are still in the socket: let them be heard first.
                await self._clock.sleep(_QUICK_S)
                if self.silence_s > limit_s:
                    return f"no heartbeat from the controller for {limit_s:g} s"
            await self._clock.sleep(self._limit_s / 8)

    async def _until_wrong(self) -> str:
        failed = 0
        while True:
            try:
                reading = await within(self._clock, _READ_LIMIT_S, self.name, _READ, self._look_once())
            except Exception as error:  # noqa: BLE001  # a driver may raise anything, and the chip may be hot
                failed += 1
                if failed > _FAILED_READINGS:
                    return f"the chip cannot be read ({str(error) or type(error).__name__})"
                await self._clock.sleep(self._period_s)
                continue
            wrong = self._interlocks.wrong(reading, self._clock.now())
            if wrong is not None:
                return wrong
            down = reading.temperature_c < COLD_C or self._ramp is None or self._ramp.done()
            if self._comes_down is not None and down:
                return self._comes_down + self._how_it_came_down(reading)
            away = self._interlocks.away(reading, self._clock.now())
            if away is not None and (self._limits.when_away == "quench" or self.tripped is not None):
                return away
            if away is not None and self._limits.when_away == "ramp down":
                self._come_down(away)
            if away is not None and not self._borne and self._limits.when_away == "hold":
                self._note(AwayBorne(message=away))
            self._borne = away is not None
            failed = 0
            if self._cold and not self._cold_noted:
                self._note_cold()
            await self._clock.sleep(min(_QUICK_S, self._period_s) if self._moving else self._period_s)

    async def _look_once(self) -> HeaterReading:
        before, reading = self._last, await self._read_surely()
        self._last = reading
        self._moving = before is not None and abs(reading.temperature_c - before.temperature_c) > _STEADY_C
        ramping = self._ramp is not None and not self._ramp.done()
        if reading.temperature_c >= COLD_C:
            self._cold = self._cold_noted = False
        elif not (self._cold or ramping) and reading.temperature_c < COLD_C and unpowered(reading):
            self._cold, self._cold_noted = True, False
        with suppress(OSError):  # a full disk is no sign that the chip cannot be read
            self._readings.add(reading)
        return reading

    async def _read_surely(self) -> HeaterReading:
        """One reading beyond a limit may be the bus, two are the chip; one without a temperature is none."""
        reading = await self._chip.read()
        if breach(self._limits, reading) is not None:
            reading = await self._chip.read()
        if not math.isfinite(reading.temperature_c):
            raise DeviceError(self.name, breach(self._limits, reading) or "gives no temperature")
        return reading

    def _note_cold(self) -> None:
        assert self._last is not None, "it was seen to be cold"
        cold_c = round(self._last.temperature_c, 1)
        self._note(Cold(temperature_c=cold_c, since_heartbeat_s=round(self.silence_s, 3)))
        self._cold_noted = True

    def _come_down(self, why: str) -> None:
        """Without haste, as the session file asks; only making it safe ends that sooner."""
        rate_c_per_s = self._limits.ramp_down_c_per_s
        self._comes_down = why
        target_c = max(_AMBIENT_C, self._limits.min_c)
        self._note(RampAsked(target_c=target_c, rate_c_per_s=rate_c_per_s))
        self._interlocks.ramping(rate_c_per_s)
        limit_s = self._limits.max_c / rate_c_per_s + _COOLING_LIMIT_S
        ramp = within(self._clock, limit_s, self.name, "ramp down", self._chip.ramp_to(target_c, rate_c_per_s))
        self._ramp = asyncio.create_task(ramp, name="ramp down")
        self._ramp.add_done_callback(lambda done: done.cancelled() or done.exception())  # it is switched off then

    def _how_it_came_down(self, reading: HeaterReading) -> str:
        ramp = self._ramp
        if reading.temperature_c < COLD_C:
            return f"; it was ramped down at {self._limits.ramp_down_c_per_s:g} C/s"
        if ramp is None or ramp.cancelled():
            return "; it was to be ramped down, and something else was asked meanwhile"
        if (error := ramp.exception()) is not None:
            return f"; it was to be ramped down, which failed ({error or type(error).__name__})"
        return f"; it was to be ramped down, and still reads {reading.temperature_c:.0f} C"

    def _refuse_if_tripped(self) -> None:
        if self.tripped is not None:
            raise InterlockTripped(
                f"{self.name}: the guard made the chip safe ({self.tripped}); find the cause, then start a new session"
            )
