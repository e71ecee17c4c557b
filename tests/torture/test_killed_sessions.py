"""Whoever of a whole session is killed, whenever: it goes on, by itself or by `alloyscope resume`."""

import os
import pty
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from analysis.diffusion.time_at_temperature import USUAL_Q_J_PER_MOL, time_at_temperature_s
from analysis.reanalysis.offline import analyse
from drivers.frames import Frame
from drivers.interfaces import HeaterReading
from drivers.recorded.chip_readings import readings_of_chip
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import read_journal, records_of
from drivers.recorded.records import AnalysisStarted, End, HeatAsked, Heated, Resumed, StepDone
from drivers.recorded.session import read_session
from simulators.thermal_history import ThermalHistory
from tests.flows.test_processes import ALLOYSCOPE, HANGING_S, happened, running, until  # noqa: F401  # a fixture
from tests.torture.conftest import TORTURE

SPEED, PULSE_S, HEATED_C, D_M2_PER_S = 30.0, 60.0, 450.0, 2.4e-19
FEW_TILTS = {"durations_s": f"[{PULSE_S}]", "step_deg": 10.0}
FRAMES, DURATION_S = 30, 11.0
"""And about how long a session takes until its last frame."""
ENDS = ("controller", "guard")
"""After whose death the session has ended."""
TARGETS = (*ENDS, "worker", "deputy", "screen")
BLOWS = 2 if TORTURE <= 1 else round(TORTURE)
WITHIN_S, GOES_ON_S = 1.0, 5.0
HEAT_S = 0.1 * SPEED
"""How well heat is booked: by the clock of the session, which runs faster than the guard looks."""


def process_of(words: str, session: int) -> int | None:
    """Started by a session, by a part of its command line."""
    for child in Path(f"/proc/{session}/task/{session}/children").read_text().split():
        with suppress(OSError):
            if words in Path(f"/proc/{child}/cmdline").read_text():
                return int(child)
    return None


@pytest.fixture
def screen(tmp_path) -> Iterator[Callable[[Path], int]]:
    """Starts a screen of a session on a terminal of its own; gives its process."""
    ours, theirs = pty.openpty()
    started: list[subprocess.Popen] = []

    def start(folder: Path) -> int:
        words = [*ALLOYSCOPE, "monitor", str(folder)]
        started.append(subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True))
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()
    for end in (ours, theirs):
        os.close(end)


def resumed(folder: Path) -> float:
    """Seconds until a session goes on, which then ends well."""
    words = [*ALLOYSCOPE, "resume", str(folder), "--no-screen", "--speed", str(SPEED)]
    began_s = time.monotonic()
    with (folder.parent / "resume.log").open("a") as log, subprocess.Popen(words, stdout=log, stderr=log) as going_on:
        before = len(list(records_of(folder, Resumed)))
        until(lambda: len(list(records_of(folder, Resumed))) > before, HANGING_S, "going on", going_on)
        took_s = time.monotonic() - began_s
        assert going_on.wait(HANGING_S) == 0, (folder.parent / "resume.log").read_text()
    return took_s


def held(folder: Path, where: str) -> tuple[float, float]:
    """Everything once, and the heat that there was; how far the booked heat is from it in s, and D from its truth."""
    frames = [i.header for i in read_session(folder) if isinstance(i, Frame)]
    assert len({(h.step, round(h.tilt_deg)) for h in frames}) == len(frames) == FRAMES, where
    assert [h.seq for h in frames] == sorted({h.seq for h in frames}), where
    assert len(list(records_of(folder, HeatAsked))) == 1, where
    assert {"c00/NC2/tilt", "c01/NC2/tilt"} <= {r.step for r in records_of(folder, StepDone)}, where
    assert list(read_journal(folder))[-1].record == next(reversed(list(records_of(folder, End)))), where
    nan = float("nan")
    truth = [HeaterReading(float(t), float(c), nan, nan, nan) for t, c in ThermalHistory(folder).new()]
    booked_s = sum(r.worth_s for r in records_of(folder, Heated))
    given_s = time_at_temperature_s(truth, HEATED_C, USUAL_Q_J_PER_MOL)
    apart_s = booked_s - given_s
    gaps_s = np.diff([r.time_s for r in readings_of_chip(SessionFolder(folder)) if r.temperature_c > HEATED_C - 50.0])
    assert abs(apart_s) < HEAT_S + float(gaps_s.max(initial=0.0)), (where, apart_s)
    (particle,) = analyse(folder, lambda _: None)["particles"].values()
    assert len(particle["states"]) == 2, where
    d = particle["diffusivity_m2_per_s"]
    # A tenth of a second of a clock 30 times as fast is 5 % of D: what was booked is judged above, by itself.
    return float(apart_s), float((d["value"] * booked_s / given_s - D_M2_PER_S) / d["std"])


@pytest.mark.timeout(0)
def test_a_session_of_which_anybody_is_killed_is_completed(running, screen, tmp_path, tell):  # noqa: F811
    cold_s, again_s, kept, killed = [], [], [], []
    for seed in range(BLOWS):
        chance = random.Random(seed)
        target = TARGETS[seed % len(TARGETS)]
        process, folder = running(SPEED, **FEW_TILTS)
        until(lambda at=folder: happened(at / "journal.jsonl", "analysis"), HANGING_S, "the analysis")
        watching = screen(folder)
        time.sleep(chance.uniform(0.0, DURATION_S))  # any moment
        pids = {
            "controller": process.pid,
            "guard": process_of("controller.guard.process", process.pid),
            "deputy": process_of("controller.guard.deputy", process.pid),
            "worker": list(records_of(folder, AnalysisStarted))[-1].pid,
            "screen": watching,
        }
        where = f"seed {seed}: {target} killed"
        readings = readings_of_chip(SessionFolder(folder))
        hot = bool(readings) and readings[-1].temperature_c > HEATED_C - 50.0
        began_s, struck = time.monotonic(), pids[target]
        if struck is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(struck, signal.SIGKILL)
            killed.append(target)
        if target in ENDS and hot:
            until(lambda at=folder: happened(at / "guard.jsonl", "cold"), HANGING_S, where)
            cold_s.append(time.monotonic() - began_s)
            assert cold_s[-1] < WITHIN_S, where
        code = process.wait(HANGING_S)
        if target not in ENDS or code == 0:
            assert code == 0, (where, (tmp_path / "run.log").read_text())
        else:
            again_s.append(resumed(folder))
        kept.append(held(folder, where))
        folder.rename(tmp_path / f"done{seed}")
    counted = ", ".join(f"{killed.count(name)} {name}" for name in TARGETS if name in killed)
    told = f"chip cold after at most {max(cold_s, default=0.0):.2f} s ({len(cold_s)} hot)"
    again = f"goes on after at most {max(again_s, default=0.0):.1f} s ({len(again_s)})"
    apart_s, z = np.array(kept).T
    heat = f"heat within {np.abs(apart_s).max() / SPEED:.3f} s of the clock; D {z.mean():+.2f} +- {z.std():.2f} sigma"
    assert np.abs(z).max() < 4.0, z
    tell(f"sessions: {counted} killed", len(killed), f"all completed; {told}; {again}; {heat}")
    if "PYTEST_XDIST_WORKER" not in os.environ:  # else another test takes half of the machine
        assert max(again_s, default=0.0) < GOES_ON_S
