"""What the screen knows of a session: one model, fed with events, that every panel draws from."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
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

Remark = tuple[float | None, str]
"""A line of the log, with its time where it has one."""


@dataclass
class WatchedSession:
    """The newest of everything, and the past that is drawn."""

    started: ev.Started | None = None
    state: ev.RunStateChanged = field(default_factory=lambda: ev.RunStateChanged(0.0, "connecting"))
    progress: ev.StepProgress | None = None
    readings: deque[ev.ChipReading] = field(default_factory=lambda: deque(maxlen=3600))
    picture: ev.Picture | None = None
    preview: Preview | None = None
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
    abort_asked: bool = False
    lacks: str = ""
    """What its source can never tell."""

    def take(self, event: ev.Event) -> Iterator[Remark]:
        """Know of an event; gives what the log should say of it."""
        match event:
            case ev.Started():
                self.started = event
            case ev.RunStateChanged():
                self.state = event
                yield event.time_s, f"{event.state}{': ' + event.reason if event.reason else ''}"
            case ev.StepProgress():
                self.progress = event
            case ev.ChipReading():
                self.readings.append(event)
            case ev.Picture():
                self.picture = event
            case ev.ResultReceived(result):
                self._keep(result)
                yield from ((None, words) for words in result.remarks())
            case ev.Log():
                yield event.time_s, f"{'' if event.level == 'info' else event.level + ': '}{event.text}"
            case ev.Finished():
                self.finished = event
            case _:
                assert_never(event)

    def newest_maps(self) -> list[EdxResult]:
        """Of each particle, the one that grows first."""
        newest = {m.particle: m for m in (*self.maps.values(), *([] if self.map is None else [self.map]))}
        return sorted(newest.values(), key=lambda m: m is not self.map)

    def _keep(self, result: Result) -> None:
        """What panels draw from; a kind without a panel is only written about."""
        match result:
            case Preview():
                self.preview = result
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
