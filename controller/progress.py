"""How far a session has come, and how long the rest should take."""

from __future__ import annotations

from msgspec import structs

from controller import events as ev
from controller.plan.recordings import Recording
from controller.plan.running_plan import RunningPlan
from controller.plan.steps import Heat, Step, in_brief
from controller.record.ledger import Ledger
from drivers.clock import Clock

_FOLLOWING = 2


class Progress:
    """Told of each step and tilt as it comes, it tells everybody who listens."""

    def __init__(self, plan: RunningPlan, clock: Clock, events: ev.Events, ledger: Ledger) -> None:
        self._plan, self._clock, self._events, self._ledger = plan, clock, events, ledger
        self._begun = 0
        self._last: ev.StepProgress | None = None
        self._count()
        self._heat_s_at_c: dict[float, float] = {}

    @property
    def planned(self) -> int:
        """Steps of the plan; a steered step may take more than one pulse and tilt series."""
        return len(self._steps)

    def _count(self) -> None:
        """A plan of weeks has thousands of steps, and is asked of at every tilt."""
        self._steps = self._plan.taken
        self._estimates_s = [step.estimate_s() for step in self._steps]

    def tell_plan(self) -> None:
        """As it is now; when it was amended, too."""
        self._count()
        told = [
            ev.PlannedStep(
                step.id,
                in_brief(step),
                step.estimate_s(),
                step.temperature_c if isinstance(step, Heat) else None,
                step.duration_s if isinstance(step, Heat) else None,
                skipped,
            )
            for step, skipped in self._plan.all()
        ]
        self._events.tell(ev.PlanTold(tuple(told)))

    def on_step(self, step: Step) -> None:
        self._begun += 1
        self._heat_s_at_c = self._ledger.seconds_at_c()
        self._tell(step, 0, 0, None)

    def on_heated(self, step: Step) -> None:
        """A pulse has been given, and booked."""
        self._heat_s_at_c = self._ledger.seconds_at_c()
        self._tell(step, 1, 1, None)

    def on_tilt(self, step: Recording, done: int, total: int, tilt_deg: float) -> None:
        self._tell(step, done, total, tilt_deg)

    def tell_it_waits(self) -> None:
        """For those who watch while nothing moves, since the analysis is to come first."""
        if self._last is not None:
            self._events.tell(structs.replace(self._last, waits=True))

    def _tell(self, step: Step, part: int, parts: int, tilt_deg: float | None) -> None:
        steps, rest_s = self._steps, sum(self._estimates_s[self._begun - 1 :])
        left_s = max(0.0, rest_s - (step.estimate_s() * part / parts if parts else 0.0))
        over = steps[: self._begun if parts and part >= parts else self._begun - 1]
        self._last = ev.StepProgress(
            self._clock.now(),
            step.id,
            self._begun,
            len(steps),
            part,
            parts,
            left_s,
            tilt_deg,
            dict(self._ledger.dose_e_per_nm2),
            self._heat_s_at_c,
            tuple(in_brief(s) for s in steps[self._begun : self._begun + _FOLLOWING]),
            sum(isinstance(s, Recording) for s in over),
        )
        self._events.tell(self._last)
