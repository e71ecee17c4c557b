"""A dry run that is watched waits for its analysis, so that results come while it runs."""

import asyncio
from itertools import pairwise

from analysis.results import StateResult
from controller import events as ev
from controller.engine import FinishReason
from controller.plan.session_file import load_session
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.recorded.folder import SessionFolder

STATES = 4


def test_no_step_begins_before_the_analysis_is_near_enough(session_file, tmp_path):
    path = session_file(durations_s=str([20.0] * STATES), step_deg=10.0)
    behind, recorded, analysed = [], 0, 0
    steps: list[str] = []

    def hear(event: ev.Event) -> None:
        nonlocal recorded, analysed
        if isinstance(event, ev.ResultReceived) and isinstance(event.result, StateResult):
            analysed += 1
        if isinstance(event, ev.StepProgress) and not event.waits:
            if event.part and event.part == event.parts and event.step.endswith("/tilt"):
                recorded += 1
            elif event.part == 1 and event.step.endswith("/tilt"):  # the first frame of it, after the wait
                behind.append(recorded - analysed)
                steps.append(event.step)

    session = Session(load_session(path), path, SessionFolder(tmp_path / "s"), SteppedClock(), [hear], pace=1)
    assert session.clock.run(session.run()) is FinishReason.COMPLETED
    assert len(steps) == len(behind) == 1 + STATES
    assert max(behind) <= 1, dict(zip(steps, behind, strict=True))


def test_who_watches_hears_of_a_session_that_waits(session_file, tmp_path, monkeypatch):
    """Else "no news from the session" stands there while all is well."""
    path = session_file(durations_s="[20.0]", step_deg=10.0)
    heard: list[tuple[float, ev.Event]] = []
    session = Session(
        load_session(path),
        path,
        SessionFolder(tmp_path / "s"),
        SteppedClock(),
        [lambda e: heard.append((asyncio.get_running_loop().time(), e))],
        pace=0,
    )
    assert session.clock.run(session.run()) is FinishReason.COMPLETED
    end = next(n for n, (_, e) in enumerate(heard) if isinstance(e, ev.StepProgress) and e.step == "c01/NC2/tilt")
    assert max(after - before for (before, _), (after, _) in pairwise(heard[:end])) < 3.0
    assert any(isinstance(e, ev.StepProgress) and e.waits for _, e in heard[:end])
    assert isinstance(heard[end][1], ev.StepProgress) and not heard[end][1].waits
    kept = [e.time_s for e in session.events.memory() if isinstance(e, ev.ChipReading)]
    assert kept[0] < 5.0 < 100.0 < kept[-1], "whoever comes after the end sees the chip's whole course"
