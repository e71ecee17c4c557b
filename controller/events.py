"""What a session tells the world, and the memory of it for those who come late."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar, assert_never

import msgspec

from analysis.results import AnyResult, Preview
from controller.chip_course import ChipCourse
from drivers.frames import plain

PICTURE_PX = 96
"""Longest side of a picture in an event."""


class Started(msgspec.Struct, frozen=True, tag=True):
    title: str
    folder: str
    simulated: bool
    particles: tuple[str, ...]
    steps: int
    dose_planned_e_per_nm2: dict[str, float] = {}
    """At most, by particle; empty where there is no plan."""
    real_time: bool = False
    """Session time passes as time does."""
    watches: bool = False
    """Another program acquires."""


class RunStateChanged(msgspec.Struct, frozen=True, tag=True):
    time_s: float
    state: str
    reason: str = ""


class StepProgress(msgspec.Struct, frozen=True, tag=True):
    """Where the plan is; `left_s` is an estimate in session time."""

    time_s: float
    step: str
    step_number: int
    steps: int
    part: int
    parts: int
    left_s: float
    tilt_deg: float | None = None
    dose_e_per_nm2: dict[str, float] = {}
    """So far, by particle."""
    heat_s_at_c: dict[float, float] = {}
    """Time at each temperature so far, as booked."""
    following: tuple[str, ...] = ()
    """The next steps, in a few words each."""
    recorded: int = 0
    """Recordings that are over."""
    waits: bool = False
    """For the analysis, while nothing moves and the clock stands."""


class PlannedStep(msgspec.Struct, frozen=True):
    step: str
    words: str
    takes_s: float
    """Estimated."""
    temperature_c: float | None = None
    duration_s: float | None = None
    """Of a heat pulse."""
    skipped: bool = False


class PlanTold(msgspec.Struct, frozen=True, tag=True):
    """The plan as it is now, from its first step on."""

    steps: tuple[PlannedStep, ...]


class ChipReading(msgspec.Struct, frozen=True, tag=True):
    time_s: float
    temperature_c: float
    setpoint_c: float
    power_mw: float | None
    temperature_std_c: float | None = None
    """By the chip's calibration."""


class Picture(msgspec.Struct, frozen=True, tag=True):
    """The last frame, small, for the screen."""

    step: str
    tilt_deg: float
    shape: tuple[int, int]
    pixels: bytes
    index: int = 0
    """Of the frame within its step."""
    pixel_nm: float = 0.0
    """Of this picture; 0 where it is not known."""


class ResultReceived(msgspec.Struct, frozen=True, tag=True):
    """A result of the analysis."""

    result: AnyResult


class Log(msgspec.Struct, frozen=True, tag=True):
    time_s: float
    level: str
    """info, warning or error"""
    text: str


class Finished(msgspec.Struct, frozen=True, tag=True):
    reason: str
    message: str
    folder: str


Event = Started | PlanTold | RunStateChanged | StepProgress | ChipReading | Picture | ResultReceived | Log | Finished
T = TypeVar("T")
Listener = Callable[[Event], None]

_decoder = msgspec.msgpack.Decoder(Event)


def encode(event: Event) -> bytes:
    return msgspec.msgpack.encode(event, enc_hook=plain)


def decode(data: bytes) -> Event:
    event: Event = _decoder.decode(data)
    return event


SLICES = 60
"""Of tilt series, that are remembered."""


def remember_slice(slices: dict[str, T], step: str, newest: T) -> None:
    """The newest of each tilt series, in order; of many, the first few and those that came last."""
    slices[step] = newest
    if len(slices) > SLICES:
        del slices[list(slices)[SLICES // 2]]


class Events:
    """Hands every event to its listeners and keeps what a late monitor needs."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._latest: dict[str, Event] = {}
        self._readings: ChipCourse[ChipReading] = ChipCourse()
        self._logs: deque[Event] = deque(maxlen=200)
        self._slices: dict[str, Event] = {}
        """By tilt series: the newest."""

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def tell(self, event: Event) -> None:
        self._remember(event)
        for listener in self._listeners:
            listener(event)

    def memory(self) -> Iterator[Event]:
        """Enough to draw the screen as if one had watched from the start."""
        yield from (e for k, e in self._latest.items() if k == "Started")
        yield from self._readings
        yield from self._slices.values()
        yield from (e for k, e in self._latest.items() if k not in ("Started", "Finished"))
        yield from self._logs
        yield from (e for k, e in self._latest.items() if k == "Finished")

    def _remember(self, event: Event) -> None:
        match event:
            case ChipReading():
                self._readings.append(event)
            case Log():
                self._logs.append(event)
            case ResultReceived(Preview(step=step)):
                remember_slice(self._slices, step, event)
            case ResultReceived():
                self._latest["/".join(event.result.place)] = event
            case Started() | PlanTold() | RunStateChanged() | StepProgress() | Picture() | Finished():
                self._latest[type(event).__name__] = event
            case _:
                assert_never(event)
