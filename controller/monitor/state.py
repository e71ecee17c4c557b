"""What the screen knows of a session: one model, fed with events, that every panel draws from."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from analysis.results import (
    Arrhenius,
    DiffusivityResult,
    EdxResult,
    ImageResult,
    Outlined,
    Preview,
    Provisional,
    Result,
    StateResult,
)
from controller import events as ev
from controller.chip_course import ChipCourse
from drivers.units import clock_time

_OLD_S = 3.0

Remark = tuple[float | None, str]
"""A line of the log, with its time where it has one."""


@dataclass
class WatchedSession:
    """The newest of everything, and the past that is drawn."""

    started: ev.Started | None = None
    state: ev.RunStateChanged = field(default_factory=lambda: ev.RunStateChanged(0.0, "connecting"))
    plan: tuple[ev.PlannedStep, ...] = ()
    """Empty where there is none."""
    progress: ev.StepProgress | None = None
    readings: ChipCourse[ev.ChipReading] = field(default_factory=ChipCourse)
    picture: ev.Picture | None = None
    preview: Preview | None = None
    slices: dict[str, Preview] = field(default_factory=dict)
    """By tilt series, in order: the newest."""
    outlined: Outlined | None = None
    provisional: Provisional | None = None
    states: dict[str, StateResult] = field(default_factory=dict)
    """By step."""
    fits: dict[str, DiffusivityResult] = field(default_factory=dict)
    """By particle."""
    images: dict[str, list[ImageResult]] = field(default_factory=dict)
    """By particle."""
    law: Arrhenius | None = None
    map: EdxResult | None = None
    """The newest."""
    maps: dict[str, EdxResult] = field(default_factory=dict)
    """Finished ones, by step."""
    finished: ev.Finished | None = None
    quiet: bool = False
    """No news for a while."""
    log: deque[Remark] = field(default_factory=lambda: deque(maxlen=300))
    alarms: list[Remark] = field(default_factory=list)
    """Warnings and errors that nobody has said to have seen."""
    abort_asked: bool = False
    stop_asked: bool = False
    now: Callable[[], float] = time.monotonic
    """The watcher's own clock."""
    _read_at: float = field(default=0.0, init=False)
    lacks: str = ""
    """What its source can never tell."""

    def take(self, event: ev.Event) -> list[Remark]:
        """Know of an event; gives what the log should say of it."""
        remarks = list(self._take(event))
        self.log.extend(remarks)
        return remarks

    def _take(self, event: ev.Event) -> Iterator[Remark]:
        match event:
            case ev.Started():
                self.started = event
            case ev.PlanTold():
                self.plan = event.steps
            case ev.RunStateChanged():
                self.state = event
                yield event.time_s, f"{event.state}{': ' + event.reason if event.reason else ''}"
            case ev.StepProgress():
                self.progress = event
            case ev.ChipReading():
                self.readings.append(event)
                self._read_at = self.now()
            case ev.Picture():
                self.picture = event
            case ev.ResultReceived(result):
                self._keep(result)
                yield from ((None, words) for words in result.remarks())
            case ev.Log():
                if event.level != "info":
                    self.alarms.append((event.time_s, event.text))
                yield event.time_s, f"{'' if event.level == 'info' else event.level + ': '}{event.text}"
            case ev.Finished():
                self.finished = event
            case _:
                assert_never(event)

    @property
    def time_s(self) -> float:
        """Of the session, as its newest news tells."""
        known = [self.state.time_s, *([] if self.progress is None else [self.progress.time_s])]
        return max(*known, *(r.time_s for r in self.readings[-1:]), 0.0)

    @property
    def left_s(self) -> float | None:
        """Until the plan's end, if it went on now: it falls within a step, and stands in a pause."""
        if self.progress is None:
            return None
        passed_s = 0.0 if self.state.state == "paused" else self.time_s - self.progress.time_s
        return max(0.0, self.progress.left_s - passed_s)

    @property
    def progress_is_whole(self) -> bool:
        """The step that was told of last is over."""
        p = self.progress
        return p is not None and (p.part >= p.parts or self.state.reason == "completed")

    def ahead(self) -> Iterator[tuple[float, ev.PlannedStep]]:
        """Steps that have not begun, and the session time at which each should."""
        left_s = self.left_s
        if self.over or left_s is None or self.progress is None:
            return
        left = [s for s in self.plan if not s.skipped][self.progress.step_number :]
        begins_s = self.time_s + max(0.0, left_s - sum(s.takes_s for s in left))
        for step in left:
            yield begins_s, step
            begins_s += step.takes_s

    def clock_at(self, in_s: float) -> str:
        """The time of day after so long."""
        now = datetime.now().astimezone()
        at = now + timedelta(seconds=in_s)
        return at.strftime("%H:%M" if at.date() == now.date() else "%a %H:%M")

    def slices_of(self, particle: str) -> list[Preview]:
        """Of each of its tilt series, in order."""
        return [s for s in self.slices.values() if s.particle == particle]

    @property
    def analysed(self) -> int:
        """Recordings whose results are in."""
        return len(self.states) + len(self.maps) + sum(map(len, self.images.values()))

    @property
    def over(self) -> bool:
        """Nothing more will be acquired."""
        return self.finished is not None or self.state.state in ("done", "failed")

    def age_in_words(self) -> str:
        """Of the newest reading, where it is no longer what the chip has now."""
        if not self.readings:
            return ""
        if self.finished is not None:
            return f", at the end ({clock_time(self.readings[-1].time_s)})"
        age_s = self.now() - self._read_at
        if age_s > _OLD_S and not self.quiet and not self._in_real_time:
            age_s = self.time_s - self.readings[-1].time_s  # its clock stands while the plan waits for the analysis
        return f", {age_s:.0f} s ago" if age_s > _OLD_S else ""

    @property
    def _in_real_time(self) -> bool:
        return self.started is None or self.started.real_time or self.started.watches

    @property
    def lacks_map(self) -> str:
        """Why there is no EDX map."""
        if self.plan and not any("/edx" in step.step for step in self.plan):
            return "no EDX map is in this session's plan"
        return self.lacks or "no EDX map yet"

    def newest_maps(self) -> list[EdxResult]:
        """Of each particle, the one that grows first."""
        newest = {m.particle: m for m in (*self.maps.values(), *([] if self.map is None else [self.map]))}
        return sorted(newest.values(), key=lambda m: m is not self.map)

    def _keep(self, result: Result) -> None:
        """What panels draw from; a kind without a panel is only written about."""
        match result:
            case Preview():
                self.preview = result
                ev.remember_slice(self.slices, result.step, result)
            case Outlined():
                self.outlined = result
            case Provisional():
                self.provisional = result
            case StateResult():
                self.states[result.step] = result
            case ImageResult():
                self.images.setdefault(result.particle, []).append(result)
            case EdxResult():
                self.map = result
                if result.final:
                    self.maps[result.step] = result
            case DiffusivityResult():
                self.fits[result.particle] = result
            case Arrhenius():
                self.law = result
