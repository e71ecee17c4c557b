"""Old data through the live pipeline: one source, in the order in which it was taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.alloying.spread import SPREADS
from analysis.live.pipeline import Pipeline
from analysis.reanalysis.checkpoint import Checkpoint
from analysis.reanalysis.source import USUAL_SPREAD, Recorded, open_source
from analysis.results import Result
from analysis.results.summary import summary
from drivers.errors import ConfigError
from drivers.frames import SeriesEnd, StreamItem

Report = Callable[[Result], None]
Hear = Callable[[int, int], None]
"""Told how many of how many tilt series, images and maps are done."""


class Interrupted(Exception):
    """By Ctrl-C. What was analysed until then is kept, or there was nothing worth it."""

    def __init__(self, kept: bool) -> None:
        self.kept = kept
        super().__init__("the same command goes on from its last finished tilt series" if kept else "nothing was kept")


def analyse(
    path: Path, report: Report, seed: int = 0, spread: str = USUAL_SPREAD, hear: Hear = lambda *_: None
) -> dict[str, Any]:
    """Analyse a manifest or a session folder; returns the JSON summary.

    Raises
    ------
    ConfigError
        With every problem of the manifest and its files, before any analysis begins.
    """
    check_spread(spread)
    source = open_source(path, seed)
    recorded = source.read()
    settings = source.settings(spread)
    checkpoint = Checkpoint(settings, recorded.items)
    _, results = run_through(recorded, checkpoint, report, hear)
    checkpoint.forget()
    source.keep(results, spread)
    told = summary(results, source.provenance(spread) | software())
    return told | ({"left_out": list(recorded.left_out)} if recorded.left_out else {})


def check_spread(spread: str) -> None:
    """Raises `ConfigError` for a measure of spread that there is not."""
    if spread not in SPREADS:
        raise ConfigError("--spread", [f"no measure of spread {spread!r}; there are {', '.join(SPREADS)}"])


def run_through(
    recorded: Recorded, checkpoint: Checkpoint, report: Report, hear: Hear
) -> tuple[Pipeline, list[Result]]:
    """All that is recorded, from where the checkpoint has it; raises `Interrupted`."""
    done, pipeline, results = checkpoint.found()
    items = recorded.items
    for result in results:
        report(result)
    parts = sum(isinstance(item, SeriesEnd) for item in items)
    hear(ended := sum(isinstance(item, SeriesEnd) for item in items[:done]), parts)

    def take(item: StreamItem) -> None:
        for result in pipeline.feed(item):
            results.append(result)
            report(result)

    try:
        for number, item in enumerate(items[done:], done + 1):
            take(item)
            if isinstance(item, SeriesEnd):
                checkpoint.keep(number, pipeline, results)
                hear(ended := ended + 1, parts)
        for end in pipeline.unfinished(recorded.planned):
            take(end)
    except KeyboardInterrupt:
        raise Interrupted(checkpoint.kept) from None
    return pipeline, results


def software() -> dict[str, Any]:
    """Versions that the numbers rest on."""
    from importlib.metadata import version

    return {"alloyscope": version("alloyscope"), "numpy": version("numpy"), "numba": version("numba")}
