"""One heat pulse: ramp, settle, hold, quench. What really happened is booked, whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from analysis.diffusion.time_at_temperature import (
    relative_rate_std,
    sampling_std_s,
    time_at_temperature_s,
    with_gaps_hot,
    with_ramp_as_asked,
)
from controller.engine import Aborted, Engine
from controller.guard.interlocks import not_held
from controller.plan.session_file import ChipSection
from controller.plan.steps import Heat
from controller.record.ledger import Ledger
from drivers.clock import Clock, within
from drivers.errors import InterlockTripped, ungrouped
from drivers.interfaces import HeaterReading, HeatingChip
from drivers.persistence import persistently
from drivers.recorded.journal import Journal
from drivers.recorded.records import HeatAsked, Heated

_RAMP_LIMIT_S = 60.0
_LOOK_S, _LOOK_WHILE_HELD_S = 0.02, 0.1
_LOOK_EVERY_C = 4.0
"""Of a slow ramp."""


@dataclass(frozen=True)
class Heating:
    """Everything a heat pulse needs."""

    chip: HeatingChip
    section: ChipSection
    clock: Clock
    engine: Engine
    ledger: Ledger
    journal: Journal
    log: Callable[[str, str], None]
    q_j_per_mol: float
    """Activation energy by which time on the way up counts."""
    _unbooked: list[tuple[Heat, float]] = field(default_factory=list)
    """A pulse that is under way, or whose end was not seen, and when it was asked for."""

    async def pulse(self, step: Heat) -> None:
        """Heat, hold for the step's time from the moment the temperature was reached, and quench."""
        self.journal.write(HeatAsked(step=step.id, target_c=step.temperature_c, duration_s=step.duration_s))
        seen: list[HeaterReading] = []
        reached_s: float | None = None
        self._unbooked.append((step, self.clock.now()))
        try:
            reached_s = await self.engine.unless_aborted(self._reach(step, seen))
            await self._hold_until(reached_s + step.duration_s, step, seen)
        except Aborted:
            await self._end(step, seen, reached_s)
            raise
        except BaseException:
            # The guard goes on switching it off: what the pulse was worth is known when the chip is cold.
            await self.chip.quench()
            raise
        await self._end(step, seen, reached_s)
        await self.engine.hold(1.0)

    async def _end(self, step: Heat, seen: list[HeaterReading], reached_s: float | None) -> None:
        """Quench and book; where nobody can tell how that went, the pulse is booked later."""
        held_s = 0.0 if reached_s is None else self.clock.now() - reached_s
        await self.chip.quench()
        asked_s = self._unbooked[-1][1]
        seen[:] = with_gaps_hot(seen, step.temperature_c)
        seen[:] = with_ramp_as_asked(seen, step.temperature_c, asked_s, step.rate_c_per_s, self.section.tolerance_c)
        with suppress(InterlockTripped):
            await self._look(seen)
            seen.append(replace(seen[-1], time_s=max(self.clock.now(), seen[-1].time_s)))
            self._book(step, seen, held_s)

    def book_rest(self, readings: Sequence[HeaterReading]) -> None:
        """A pulse that did not end in a quench, by all that the guard has read until the chip was cold."""
        for step, asked_s in tuple(self._unbooked):
            before = [replace(r, time_s=asked_s) for r in readings if r.time_s < asked_s][-1:]
            rest = before + [r for r in readings if r.time_s >= asked_s]
            rest = with_gaps_hot(rest, step.temperature_c, gap=2.5, gap_s=0.15)
            hot_s = [r.time_s for r in rest if r.temperature_c > step.temperature_c - self.section.tolerance_c]
            self._book(step, rest, hot_s[-1] - hot_s[0] if hot_s else 0.0)

    async def _reach(self, step: Heat, seen: list[HeaterReading]) -> float:
        """Ramp, and give the time from which every reading lay within the tolerance, for the dwell asked for."""
        ramp_s = abs(step.temperature_c - 25.0) / step.rate_c_per_s
        limit_s = ramp_s + self.section.settle_s + _RAMP_LIMIT_S
        await persistently(self.clock, lambda: self._ramp(step, limit_s, seen), lambda w: self.log("warning", w))
        asked = f"settle at {step.temperature_c:g} C"
        return await within(self.clock, limit_s, "chip", asked, self._settle(step, seen))

    async def _ramp(self, step: Heat, limit_s: float, seen: list[HeaterReading]) -> None:
        async def ramped() -> None:
            ramp = self.chip.ramp_to(step.temperature_c, step.rate_c_per_s)
            await within(self.clock, limit_s, "chip", f"reach {step.temperature_c:g} C", ramp)

        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                ramping = tasks.create_task(ramped(), name="ramp")
                while not ramping.done():
                    await self._look(seen)
                    await self.clock.sleep(min(max(_LOOK_S, _LOOK_EVERY_C / step.rate_c_per_s), 0.5))

    async def _settle(self, step: Heat, seen: list[HeaterReading]) -> float:
        tolerance_c = self.section.tolerance_c
        while True:
            await self._look(seen)
            off = [n for n, r in enumerate(seen) if not abs(r.temperature_c - step.temperature_c) <= tolerance_c]
            inside = off[-1] + 1 if off else 0
            if inside < len(seen) and seen[-1].time_s - seen[inside].time_s >= self.section.settle_s:
                return seen[inside].time_s
            await self.clock.sleep(_LOOK_S)

    async def _hold_until(self, time_s: float, step: Heat, seen: list[HeaterReading]) -> None:
        limits, warned, since_s = self.section.limits, False, None
        while (left_s := time_s - self.clock.now()) > 1e-6:
            await self.engine.hold(min(left_s, _LOOK_WHILE_HELD_S))
            await self._look(seen)
            now = seen[-1]
            away = not_held(limits, now, step.temperature_c)
            since_s = None if away is None else now.time_s if since_s is None else since_s
            if since_s is None or warned or limits.when_away != "hold" or now.time_s - since_s < limits.away_s:
                continue
            self.log("warning", f"{away}; it is held, as chip.limits.when_away says, and booked as it is read")
            warned = True

    def _book(self, step: Heat, seen: Sequence[HeaterReading], held_s: float) -> None:
        held_s = round(held_s, 3)
        worth_s = round(time_at_temperature_s(seen, step.temperature_c, self.q_j_per_mol), 3)
        self._unbooked.clear()
        std_s = round(sampling_std_s(seen), 3)
        self.ledger.book_heat(step.temperature_c, worth_s, std_s)
        self.journal.write(
            Heated(
                step=step.id,
                temperature_c=step.temperature_c,
                duration_s=held_s,
                worth_s=worth_s,
                worth_std_s=std_s,
            )
        )
        error = f" +- {std_s:.2g}" if std_s else ""
        ramp = f", with its ramp worth {worth_s:g}{error} s" if std_s or worth_s > 1.02 * held_s else ""
        std_c = seen[-1].temperature_std_c if seen else None
        calibration = ""
        if std_c is not None and held_s:
            percent = 100.0 * relative_rate_std(step.temperature_c, std_c, self.q_j_per_mol)
            calibration = f" (+- {std_c:.1f} C by the chip's calibration, {percent:.0f} % of D)"
        self.log("info", f"heated to {step.temperature_c:g} C{calibration} for {held_s:g} s{ramp}, quenched")

    async def _look(self, seen: list[HeaterReading]) -> None:
        reading = await self.chip.read()
        if not seen or reading.time_s > seen[-1].time_s:
            seen.append(reading)
