"""Events as lines, for pipes, logs and CI; and the table at the end of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.results import Arrhenius, DiffusivityResult, EdxResult, ImageResult, Onset, Result, StateResult, pretty
from controller import events as ev
from controller.check import clock_time


class Console:
    """Prints an event as a line where a person would want one."""

    def __init__(self) -> None:
        self._step = ""

    def hear(self, event: ev.Event) -> None:
        for line in self._lines(event):
            print(line, flush=True)

    def _lines(self, event: ev.Event) -> Iterator[str]:
        match event:
            case ev.Started():
                kind = "SIMULATED " if event.simulated else ""
                yield f"{kind}session {event.title!r}: {event.steps} steps, particles {', '.join(event.particles)}"
                yield f"folder: {event.folder}"
            case ev.RunStateChanged():
                yield f"[{clock_time(event.time_s)}] {event.state}{': ' + event.reason if event.reason else ''}"
            case ev.Progress() if event.step != self._step:
                self._step = event.step
                at, left = clock_time(event.time_s), clock_time(event.left_s)
                yield f"[{at}] step {event.step_number}/{event.steps} {event.step} (about {left} left)"
            case ev.Told(result):
                yield from result_lines(result)
            case ev.Log():
                yield f"[{clock_time(event.time_s)}] {event.level}: {event.text}"
            case _:
                pass


def result_lines(result: Result) -> Iterator[str]:
    """A result in words."""
    match result:
        case StateResult():
            name = f"{result.particle} after {result.heated_s:.4g} s"
            degree = f"alloying {result.alloying}" if result.alloying else "no alloying degree"
            volume = f", volume {result.volume_nm3:.0f} nm3" if result.volume_nm3 else ""
            gold = f", core element {100 * result.gold_fraction:.1f} at%" if result.gold_fraction else ""
            yield f"    {name}: {degree}{volume}{gold}; {result.frames}/{result.planned} tilts; {result.quality}"
            yield from (f"      left out {r}" for r in result.rejected)
        case ImageResult():
            heated = "before any heat" if result.heated_c is None else f"after {result.heated_c:g} C"
            lost = f"contrast lost {result.contrast_lost}" if result.contrast_lost else "not compared"
            yield f"    {result.particle} {heated}: {lost}{onset_words(result.onset)}; {result.quality}"
        case EdxResult() if result.final:
            frames = f"{result.frames}/{result.planned} frames"
            yield f"    {result.particle} {edx_words(result)}; {frames}; {result.quality}"
            yield from (f"      {line}" for line in result.words)
        case DiffusivityResult():
            for d in result.diffusivities:
                yield (
                    f"    {result.particle}: D({d.temperature_c:g} C) = {pretty(d.value, d.std)} m2/s "
                    f"from {result.states} state(s); {result.quality}"
                )
            if result.d_of_c is not None:
                mean = 100 * result.d_of_c.gold_fraction
                for d in result.d_of_c.diffusivities:
                    yield (
                        f"    {result.particle}: D({d.temperature_c:g} C) = {pretty(d.value, d.std)} m2/s "
                        f"at {mean:.1f} at%, ln D changes by {result.d_of_c.ln_slope} per unit of atomic fraction"
                    )
        case Arrhenius():
            yield from (f"    {line}" for line in result.words())
        case _:
            pass


def edx_words(result: EdxResult) -> str:
    """Composition of a map and when it was taken."""
    heated = "before any heat" if result.heated_c is None else f"after {result.heated_c:g} C"
    each = [f"{element} {estimate} at%" for element, estimate in result.composition_at_pct.items()]
    return f"{heated}: {', '.join(each) or 'no composition'}"


def onset_words(onset: Onset | None) -> str:
    """Where alloying began, as the end of a sentence; nothing while it has not."""
    if onset is None:
        return ""
    if onset.below_c is None:
        return f"; alloying began at or below {onset.above_c:g} C"
    return f"; alloying began between {onset.below_c:g} and {onset.above_c:g} C"


def final_lines(results: list[Result], folder: Path) -> Iterator[str]:
    """What the session found, beside the twin's truth where there is one."""
    truth = _truth(folder)
    latest = {r.particle: r for r in results if isinstance(r, DiffusivityResult)}
    images = {r.particle: r for r in results if isinstance(r, ImageResult)}
    for name, image in images.items():
        unseen = "no alloying was seen in the images" if image.contrast_lost else f"no onset; {image.quality}"
        yield f"{name}: {onset_words(image.onset).removeprefix('; ') or unseen}"
    for name, result in latest.items():
        for d in result.diffusivities:
            yield f"{name}: D({d.temperature_c:g} C) = {pretty(d.value, d.std)} m2/s (1 sigma); {result.quality}"
        known = truth.get("particles", {}).get(name)
        if known and any(abs(d.temperature_c - 450.0) < 0.5 for d in result.diffusivities):
            found = next(d for d in result.diffusivities if abs(d.temperature_c - 450.0) < 0.5)
            true = known["d_450_m2_per_s"]
            yield (
                f"{name}: truth of the twin {true:.3g} m2/s; the fit is {100 * (found.value / true - 1):+.1f} % "
                f"= {(found.value - true) / found.std:+.1f} sigma off"
            )
    yield f"session folder: {folder}"


def _truth(folder: Path) -> dict[str, Any]:
    path = folder / "truth" / "truth.json"
    if not path.is_file():
        return {}
    truth: dict[str, Any] = json.loads(path.read_text())
    return truth
