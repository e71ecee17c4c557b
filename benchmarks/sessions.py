"""A whole session of NC2 (Mychinko et al.), ten states of 128^2 x 71, each command in a process of its own."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from analysis.live.pipeline import Pipeline
from analysis.live.settings import AnalysisSettings
from benchmarks.row import Row
from drivers.frames import SeriesEnd
from drivers.recorded.session import read_session

EXAMPLE = Path(__file__).parents[1] / "examples" / "mychinko2021_nc2.toml"
_ALLOYSCOPE = (sys.executable, "-m", "controller.cli")


def _took_s(*words: object) -> float:
    began = time.perf_counter()
    subprocess.run([*_ALLOYSCOPE, *map(str, words)], check=True, capture_output=True)
    return time.perf_counter() - began


def _states_s(folder: Path) -> list[float]:
    """From the last tilt of each state until all its results are there, in this process."""
    pipeline, taken = Pipeline(AnalysisSettings()), []
    for item in read_session(folder):
        began = time.perf_counter()
        pipeline.feed(item)
        if isinstance(item, SeriesEnd):
            taken.append(time.perf_counter() - began)
    return taken


def rows(short: bool) -> Iterator[Row]:
    if short:
        return
    with tempfile.TemporaryDirectory() as name:
        folder, told = Path(name) / "s", Path(name) / "found.json"
        unreported = Path(name) / "session.toml"
        unreported.write_text("report = false\n" + EXAMPLE.read_text())
        dry_s = _took_s("dry-run", unreported, "--no-screen", "--out", folder)
        bar = "<= 60 s (issue 22: 40 s after start)"
        yield Row("dry run of NC2, analysis included, no report", dry_s, "s", bar=bar, held=dry_s <= 60.0)
        analyse_s = _took_s("analyse", folder, "--json", told)
        (d,) = json.loads(told.read_text())["particles"].values()
        found = d["diffusivity_m2_per_s"]
        error = abs(found["value"] / 2.4e-19 - 1.0)
        what = f"`analyse` of that session, {len(d['states'])} states"
        yield Row(what, analyse_s, "s", error=error, bar="<= 25 s", held=analyse_s <= 25.0)
        yield Row("its report", _took_s("report", folder), "s")
        states = _states_s(folder)
        heated = np.array(states[1:])
        slowest = float(heated.max())
        yield Row("D after the last tilt of a state, the slowest", slowest, "s", bar="<= 3 s", held=slowest <= 3.0)
        grown = float(np.median(heated[-3:]) / np.median(heated[:3]))
        what = "time of the last three states over the first three"
        yield Row(what, grown, "times", bar="<= 1.1 times", held=grown <= 1.1)
