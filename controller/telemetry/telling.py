"""What an event says to those who plot numbers: devices and quantities with unit, error and quality."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, assert_never

import msgspec

from analysis.results import AnyResult, ResultValue, to_line
from controller import events as ev
from controller.telemetry.topics import STATUS, Told, level

UNKNOWN = "no value"
NO_WORD = "no word from the session: its program or its network has died"


def told(event: ev.Event) -> Iterator[Told]:
    """What is published of an event; nothing of pictures."""
    match event:
        case ev.Started() | ev.Finished():
            pass  # they make the status
        case ev.RunStateChanged():
            yield Told("run/state", event.state, more={"reason": event.reason})
        case ev.StepProgress():
            yield from _progress(event)
        case ev.ChipReading():
            yield _reading("chip/temperature", event.temperature_c, "C", event.temperature_std_c)
            yield _reading("chip/setpoint", event.setpoint_c, "C")
            yield _reading("chip/power", event.power_mw, "mW")
        case ev.ResultReceived(result):
            yield from _result(result)
        case ev.Log():
            if event.level != "info":
                yield Told(f"log/{level(event.level)}", event.text)
        case ev.Picture() | ev.PlanTold():
            pass
        case _:
            assert_never(event)


def online(started: ev.Started) -> Told:
    """Birth."""
    return Told(STATUS, "online", more=_about(started))


def offline(started: ev.Started) -> Told:
    """The last will."""
    return Told(STATUS, "offline", quality=NO_WORD, more={"how": NO_WORD, **_about(started)})


def ended(started: ev.Started, finished: ev.Finished) -> Told:
    more = {"how": finished.reason, "message": finished.message, **_about(started)}
    return Told(STATUS, "ended", quality=finished.reason, more=more)


def _about(started: ev.Started) -> dict[str, Any]:
    return {
        "title": started.title,
        "simulated": started.simulated,
        "particles": list(started.particles),
        "steps": started.steps,
    }


def _progress(event: ev.StepProgress) -> Iterator[Told]:
    more = {
        "step_number": event.step_number,
        "steps": event.steps,
        "part": event.part,
        "parts": event.parts,
        "left_s": event.left_s,
    }
    if event.tilt_deg is not None:
        yield _reading("stage/tilt", event.tilt_deg, "deg")
        more["tilt_deg"] = event.tilt_deg
    yield Told("run/step", event.step, more=more)
    for particle, dose in event.dose_e_per_nm2.items():
        yield Told(f"{level(particle)}/dose", dose, "e/nm2")
    heat = [{"temperature_c": t, "duration_s": s} for t, s in event.heat_s_at_c.items()]
    yield Told("chip/heat", round(sum(event.heat_s_at_c.values()), 3), "s", more={"heat": heat})


def _reading(topic: str, value: float | None, unit: str, std: float | None = None) -> Told:
    known = _finite(value)
    return Told(topic, known, unit, _finite(std), UNKNOWN if known is None else "good", reading=True)


def _result(result: AnyResult) -> Iterator[Told]:
    """Its numbers, each by itself, and all of it in one message."""
    quality: str = getattr(result, "quality", "good")
    for number in result.quantities():
        yield _number(number, quality, passing=result.passing)
    rest = result.without_pictures()
    if rest is not None:
        more = {"result": msgspec.Raw(to_line(rest).rstrip())}
        words = "; ".join(rest.words())
        yield Told(f"results/{level('-'.join(rest.place))}", words, quality=quality, more=more, reading=result.passing)


def _number(number: ResultValue, quality: str, *, passing: bool) -> Told:
    value, topic = _finite(number.value), f"{level(number.of)}/{level(number.name)}"
    if value is None and quality == "good":
        quality = UNKNOWN
    at = {name: known for name, given in number.at.items() if (known := _finite(given)) is not None}
    return Told(topic, value, number.unit, _finite(number.std), quality, at, passing)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
