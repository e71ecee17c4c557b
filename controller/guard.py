"""The guard owns the chip driver and makes the chip safe when anything is wrong.

It refuses what is outside the limits before sending, looks at every reading, and quenches when the controller's
heartbeat stops. In `alloyscope run` it lives in a process of its own (`controller.guard_process`); in a dry run the
same class runs on the stepped clock. Once it has tripped, the chip stays cold until a new session.
"""

from __future__ import annotations

import asyncio

from controller.chip_readings import ChipReadings
from controller.journal import Journal
from drivers.clock import Clock
from drivers.errors import DeviceError, InterlockTripped, ungrouped
from drivers.interfaces import HeaterReading, HeatingChip
from drivers.limits import ChipLimits

COLD_C = 60.0
"""Below this nothing alloys and nothing burns."""
_COLD_LIMIT_S = 10.0
"""Silence while the chip is cold: nothing burns, and a controller that reconstructs may well be late."""
_READ_LIMIT_S = 5.0
_QUICK_S, _STEADY_C = 0.02, 1.0
"""While readings change by more, the next one comes sooner."""


class Guard:
    """A `HeatingChip` that wraps another one.

    Parameters
    ----------
    watch_clock : real time in a process of its own; the stepped clock in a dry run
    period_s : between two looks at the chip
    heartbeat_limit_s : without a heartbeat for this long a chip that is not cold is made safe
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
    ) -> None:
        self.name = chip.name
        self.simulated = chip.simulated
        self.tripped: str | None = None
        self._chip, self._limits, self._journal, self._readings = chip, limits, journal, readings
        self._clock = watch_clock
        self._period_s, self._limit_s = period_s, heartbeat_limit_s
        self._last_beat_s = watch_clock.now()
        self._last: HeaterReading | None = None
        self._cold, self._moving = True, False
        self._ramp: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self._chip.connect()
        self._last = await self._chip.read()
        self._last_beat_s = self._clock.now()

    def beat(self) -> None:
        """The controller is alive."""
        self._last_beat_s = self._clock.now()

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        self._refuse_if_tripped()
        self._limits.check_target(self.name, target_c, rate_c_per_s)
        self._journal.write("ramp", target_c=target_c, rate_c_per_s=rate_c_per_s)
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                self._ramp = tasks.create_task(self._chip.ramp_to(target_c, rate_c_per_s), name="ramp")
        self._refuse_if_tripped()

    async def quench(self) -> None:
        await self._end_ramp()
        await self._chip.quench()
        self._journal.write("quench")

    async def read(self) -> HeaterReading:
        self._refuse_if_tripped()
        if self._last is None:
            raise DeviceError(self.name, "asked for a reading before connect; connect the chip first")
        return self._last

    async def emergency_stop(self) -> None:
        await self.trip("emergency stop")
        await self.until_cold()

    async def make_safe(self) -> None:
        await self._end_ramp()
        await self._chip.make_safe()

    async def _end_ramp(self) -> None:
        """A ramp still under way must not power the heater again."""
        if self._ramp is not None and not self._ramp.done():
            self._ramp.cancel()
            await asyncio.wait([self._ramp], timeout=1.0)

    async def close(self) -> None:
        await self._chip.close()

    async def watch(self) -> None:
        """Look at the chip for ever; raises `InterlockTripped` once the chip has been made safe."""
        while True:
            reason = await self._look()
            if reason is not None:
                await self.trip(reason)
                await self.until_cold()
                raise InterlockTripped(f"{self.name}: {reason}; the chip was made safe")
            await self._clock.sleep(min(_QUICK_S, self._period_s) if self._moving else self._period_s)

    async def trip(self, reason: str) -> None:
        """Make the chip safe at once and write down why."""
        first = self.tripped is None
        self.tripped = self.tripped or reason
        await self.make_safe()
        if first:
            since_s = round(self.silence_s, 3)
            hot_c = None if self._last is None else round(self._last.temperature_c, 1)
            self._journal.write("made_safe", reason=reason, since_heartbeat_s=since_s, temperature_c=hot_c)
            self._cold = False

    async def until_cold(self) -> None:
        """Follow a chip that has been switched off until it is cold, and write that down."""
        while not self._cold:
            await self._look_once()
            await self._clock.sleep(0.02)

    @property
    def silence_s(self) -> float:
        """Since the last heartbeat."""
        return self._clock.now() - self._last_beat_s

    async def _look(self) -> str | None:
        limit_s = max(self._limit_s, _COLD_LIMIT_S) if self._cold else self._limit_s
        if self.silence_s > limit_s:
            # Where this process was held up, beats are still in the socket: let them be heard first.
            await self._clock.sleep(_QUICK_S)
            if self.silence_s > limit_s:
                return f"no heartbeat from the controller for {limit_s:g} s"
        try:
            async with asyncio.timeout(_READ_LIMIT_S):  # never wait_for: it may swallow a cancellation
                reading = await self._look_once()
        except (DeviceError, OSError, TimeoutError) as error:
            return f"the chip cannot be read ({error or type(error).__name__})"
        return self._limits.breach(reading)

    async def _look_once(self) -> HeaterReading:
        before, reading = self._last, await self._chip.read()
        self._last = reading
        self._moving = before is not None and abs(reading.temperature_c - before.temperature_c) > _STEADY_C
        self._readings.add(reading)
        if reading.temperature_c >= COLD_C:
            self._cold = False
        elif not self._cold and reading.power_mw < 1.0:
            self._cold = True
            self._journal.write(
                "cold",
                temperature_c=round(reading.temperature_c, 1),
                since_heartbeat_s=round(self.silence_s, 3),
            )
        return reading

    def _refuse_if_tripped(self) -> None:
        if self.tripped is not None:
            raise InterlockTripped(
                f"{self.name}: the guard made the chip safe ({self.tripped}); find the cause, then start a new session"
            )
