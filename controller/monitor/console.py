"""Events as lines, for pipes, logs and CI; and what is said at the end of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, assert_never

from analysis.results import Result
from controller import events as ev
from drivers.recorded.folder import SessionFolder
from drivers.units import clock_time


class Console:
    """Prints an event as a line where a person would want one.

    Parameters
    ----------
    more : below 0 only warnings, errors and results; above 0 each tilt as well
    """

    def __init__(self, more: int = 0) -> None:
        self._step, self._more = "", more

    def hear(self, event: ev.Event) -> None:
        for line in self._lines(event) if self._more >= 0 or self._matters(event) else ():
            print(line, flush=True)

    @staticmethod
    def _matters(event: ev.Event) -> bool:
        if isinstance(event, ev.Log):
            return event.level != "info"
        if isinstance(event, ev.RunStateChanged):
            return event.state == "failed"
        return isinstance(event, ev.ResultReceived)

    def _lines(self, event: ev.Event) -> Iterator[str]:
        match event:
            case ev.Started():
                kind = "SIMULATED " if event.simulated else ""
                yield f"{kind}session {event.title!r}: {event.steps} steps, particles {', '.join(event.particles)}"
                yield f"folder: {event.folder}"
            case ev.RunStateChanged():
                yield f"[{clock_time(event.time_s)}] {event.state}{': ' + event.reason if event.reason else ''}"
            case ev.StepProgress():
                if event.step != self._step:
                    self._step = event.step
                    at, left = clock_time(event.time_s), clock_time(event.left_s)
                    yield f"[{at}] step {event.step_number}/{event.steps} {event.step} (about {left} left)"
                if self._more > 0 and event.part and event.tilt_deg is not None:
                    at = clock_time(event.time_s)
                    yield f"[{at}]   {event.step} {event.part}/{event.parts}, {event.tilt_deg:+.1f} deg"
            case ev.ResultReceived(result):
                yield from (f"    {line}" for line in result.words())
            case ev.Log():
                yield f"[{clock_time(event.time_s)}] {event.level}: {event.text}"
            case ev.PlanTold() | ev.ChipReading() | ev.Picture() | ev.Finished():
                pass
            case _:
                assert_never(event)


def print_result(result: Result) -> None:
    """A result in words."""
    for line in result.words():
        print(f"    {line}", flush=True)


def final_lines(results: Iterable[Result], folder: SessionFolder) -> Iterator[str]:
    """What the session found, beside the twin's truth where there is one."""
    truth = _truth(folder)
    newest = {r.subject: r for r in results if r.subject is not None}
    for result in newest.values():
        yield from result.closing_words(truth)
    yield f"session folder: {folder.path}"


def _truth(folder: SessionFolder) -> dict[str, Any]:
    path = folder.particles_truth
    if not path.is_file():
        return {}
    truth: dict[str, Any] = json.loads(path.read_text())
    particles: dict[str, Any] = truth.get("particles", {})
    return particles
