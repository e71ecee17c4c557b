"""Carries out a steered block: wait for results, decide, heat, take tilt series, again.

The chip is cold while anything is waited for. Without a usable result nothing is guessed: the session says why and
pauses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from analysis.results import Arrhenius, DiffusivityResult, Result
from controller.engine import Engine
from controller.heat.steering import Decision, Known, decide
from controller.plan.dose import Dose
from controller.plan.recordings import TiltSeries
from controller.plan.steps import Plan, Steer, Step
from controller.record.ledger import Ledger
from controller.stream.live_analysis import LiveAnalysis
from drivers.clock import Clock
from drivers.recorded.journal import Journal
from drivers.recorded.records import DecisionMade

_PATIENCE_S = 90.0
"""Real time without a result after which the screen says what is waited for."""


@dataclass(frozen=True)
class SteeredHeating:
    """Everything a steered block needs."""

    plan: Plan
    clock: Clock
    engine: Engine
    analysis: LiveAnalysis
    journal: Journal
    results: Sequence[Result]
    ledger: Ledger
    log: Callable[[str, str], None]
    do: Callable[[Step], Awaitable[None]]
    given: frozenset[str] = frozenset()
    """Steps begun before the session was resumed: what was decided for them is not decided again."""

    async def run(self, step: Steer) -> None:
        """Give pulses until the block's aim is reached, or nothing allowed brings it nearer."""
        pulses = 0
        for number in range(step.block.most_pulses + 1):
            series = list(self.plan.series(step.cycle + number))
            heat = f"c{step.cycle + number:02d}/heat"
            if not self.given.isdisjoint({heat, *(s.id for s in series)}):
                pulses += heat in self.given
                await self._take(series)
                continue
            decision = await self._decision(step, pulses)
            self.journal.write(DecisionMade(step=step.id, decision=decision.what, why=decision.why))
            if decision.what == "done":
                self.log("info", f"steered heating ends: {decision.why}")
                return
            if decision.what == "pulse":
                self.log("info", f"next: {decision.why}")
                await self.do(step.heat(number, decision.temperature_c, decision.duration_s))
                pulses += 1
            else:
                self.log("warning", f"holding, the chip is off: {decision.why}; resume takes one more tilt series")
                self.engine.pause()
                await self.engine.checkpoint()
            await self._take(series)

    async def _take(self, series: list[TiltSeries]) -> None:
        for one in series:
            await self.engine.checkpoint()
            await self.do(one)

    async def _decision(self, step: Steer, pulses: int) -> Decision:
        """Of the newest results, all of which must be in."""
        while not self.analysis.is_complete:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self.engine.wait_for(self.analysis.complete)
            except TimeoutError:
                self.log("warning", f"holding, the chip is off: no result yet of {', '.join(self.analysis.missing)}")
                continue
            if not self.analysis.is_complete:
                return Decision("hold", "the analysis keeps failing, see analysis.log")
        block, latest = step.block, {r.particle: r for r in self.results if isinstance(r, DiffusivityResult)}
        most, given = block.most_dose_e_per_nm2, self.ledger.dose_e_per_nm2.get(block.particle, 0.0)
        dose = Dose(self.plan.session)
        next_one = max(dose.of_recording(s) for s in self.plan.series(0))
        if most is not None and given + next_one > most:
            return Decision("done", f"one more tilt series would pass {most:.3g} electrons per nm2")
        laws = [r for r in self.results if isinstance(r, Arrhenius)]
        known = Known(
            pulses=pulses,
            heat=tuple((p.temperature_c, p.duration_s) for p in self.ledger.heat),
            latest=tuple(latest.values()),
            law=laws[-1] if laws else None,
            prior=self.plan.session.arrhenius,
            ramp_c_per_s=step.ramp_c_per_s,
        )
        with self.clock.working():  # some seconds of work must not silence the heartbeat
            return await asyncio.to_thread(decide, block, known)
