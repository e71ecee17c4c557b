"""One heat pulse: ramp, settle, hold, quench. What really happened is booked, whatever ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.engine import Engine
from controller.guard import Guard
from controller.guard_client import GuardClient
from controller.journal import Journal
from controller.ledger import Ledger
from controller.plan import Heat
from controller.session_file import Chip
from drivers.clock import Clock, within

_RAMP_LIMIT_S = 60.0
_LOOK_S = 0.02


@dataclass(frozen=True)
class Heating:
    """Everything a heat pulse needs."""

    chip: Guard | GuardClient
    section: Chip
    clock: Clock
    engine: Engine
    ledger: Ledger
    journal: Journal
    log: Callable[[str, str], None]

    async def pulse(self, step: Heat) -> None:
        """Heat, hold for the step's time from the moment the temperature was reached, and quench."""
        self.journal.write("heat", step=step.id, target_c=step.temperature_c, duration_s=step.duration_s)
        ramp_s = abs(step.temperature_c - 25.0) / step.rate_c_per_s
        limit_s = ramp_s + self.section.settle_s + _RAMP_LIMIT_S
        reached_s: float | None = None
        try:
            reach = within(self.clock, limit_s, "chip", f"reach {step.temperature_c:g} C", self._reach(step))
            reached_s = await self.engine.unless_aborted(reach)
            await self.engine.hold(max(0.0, reached_s + step.duration_s - self.clock.now()))
        finally:
            try:
                await self.chip.quench()
            finally:
                held_s = 0.0 if reached_s is None else round(self.clock.now() - reached_s, 3)
                self.ledger.book_heat(step.temperature_c, held_s)
                self.journal.write("heated", step=step.id, temperature_c=step.temperature_c, duration_s=held_s)
            self.log("info", f"heated to {step.temperature_c:g} C for {held_s:g} s, quenched")
        await self.engine.hold(1.0)

    async def _reach(self, step: Heat) -> float:
        """Ramp, and give the time from which every reading lay within the tolerance, for the dwell asked for."""
        await self.chip.ramp_to(step.temperature_c, step.rate_c_per_s)
        since_s = self.clock.now()
        while True:
            reading = await self.chip.read()
            if reading.time_s >= since_s:
                if abs(reading.temperature_c - step.temperature_c) > self.section.tolerance_c:
                    since_s = reading.time_s
                elif reading.time_s - since_s >= self.section.settle_s:
                    return since_s
            await self.clock.sleep(_LOOK_S)
