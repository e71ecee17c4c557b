"""Whoever of a session is killed at real speed, at any moment: its ledgers are what beam and chip have truly given."""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from controller.plan.session_file import load_session
from drivers.recorded.chip_readings import readings_of_chip
from drivers.recorded.dose import dose_of
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import read_journal, records_of
from drivers.recorded.records import AnalysisStarted, HeatAsked, Heated
from drivers.units import electrons_per_nm2
from tests.flows.test_deputy import ROOT
from tests.flows.test_processes import ALLOYSCOPE, HANGING_S, happened, until
from tests.torture.conftest import TORTURE
from tests.torture.rig import heat_given_s
from tests.torture.test_killed_sessions import ENDS, process_of

BLOWS = 1 if TORTURE <= 1 else round(TORTURE)
"""Of each target in each mode."""
FRAME_S, DURATION_S = 0.5, 11.0
"""And about how long a session takes."""
WITHIN_S, HEAT_S, HOT_C = 1.0, 0.1, 400.0
ALL = tuple(product((*ENDS, "deputy", "worker"), ("stepped", "continuous")))
CASES = (("controller", "continuous"), ("guard", "stepped")) if TORTURE <= 1 else ALL
SESSION = f"""
title = "whoever is killed"
seed = 1
report = false
chip = {{ backend = "simulated", ramp_c_per_s = 1000.0, limits = {{ max_c = 600.0 }} }}
microscope = {{ backend = "tests.torture.metered_microscope:MeteredMicroscope" }}
scan = {{ pixel_nm = 1.0, shape = [32, 32], dwell_us = {1e6 * FRAME_S / 1024}, current_pa = 1.0 }}
tilt = {{ mode = "MODE", from_deg = -20.0, to_deg = 20.0, step_deg = 20.0, rate_deg_per_s = 10.0 }}
particles = [{{ name = "A" }}]
plan = [{{ kind = "tilt-series" }}, {{ kind = "pulses", temperature_c = 450.0, durations_s = [1.0, 1.5] }}]
"""


def beam_of(folder: Path) -> list[tuple[float, float]]:
    """When it was on: from, to, in s of the computer."""
    spans, since_s = [], None
    for line in (folder / "beam").read_text().splitlines():
        at_s, on = float(line.split()[0]), line.endswith("1")
        if on and since_s is None:
            since_s = at_s
        elif not on and since_s is not None:
            spans.append((since_s, at_s))
            since_s = None
    assert since_s is None, "the beam was left on"
    return spans


def strike(process: subprocess.Popen, folder: Path, target: str) -> None:
    pid = {
        "controller": lambda: process.pid,
        "guard": lambda: process_of("controller.guard.process", process.pid),
        "deputy": lambda: process_of("controller.guard.deputy", process.pid),
        "worker": lambda: list(records_of(folder, AnalysisStarted))[-1].pid,
    }[target]()
    with suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def run_in(folder: Path, *words: str) -> subprocess.Popen:
    """One of our commands as a person starts it, which may load the microscope of this test."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            [*ALLOYSCOPE, *words, "--no-screen"],
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize(("target", "mode"), CASES)
def test_ledgers_are_what_was_given(tmp_path, tell, mode, target):
    doses, heats_s, dark_s, again_s = [], [], [0.0], [0.0]
    file = tmp_path / "session.toml"
    file.write_text(SESSION.replace("MODE", mode))
    settings = load_session(file).scan.settings()
    one = electrons_per_nm2(1.0, settings.dwell_s, settings.pixel_nm)
    for seed in range(BLOWS):
        folder = tmp_path / f"s{seed}"
        process = run_in(tmp_path, "run", str(file), "--trust", "--out", str(folder))
        until((folder / "beam").exists, HANGING_S, "the beam", process)
        time.sleep(random.Random(seed).uniform(0.0, DURATION_S))  # any moment
        blow_s = time.monotonic()
        if process.poll() is None:
            strike(process, folder, target)
        if process.wait(HANGING_S) != 0:
            assert target in ENDS, (seed, (tmp_path / "log").read_text())
            began_s, again = time.monotonic(), run_in(tmp_path, "resume", str(folder))
            until(lambda at=folder: happened(at / "journal.jsonl", "resumed"), HANGING_S, "going on", again)
            again_s.append(time.monotonic() - began_s)
            assert again.wait(HANGING_S) == 0, (seed, (tmp_path / "log").read_text())
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its analysis, which waits for it for a while
        spans_s = beam_of(folder)
        if target == "controller":
            dark_s += [to_s - blow_s for from_s, to_s in spans_s if from_s < blow_s < to_s]
        given = sum(to_s - from_s for from_s, to_s in spans_s) / FRAME_S
        doses.append(dose_of(folder, read_journal(folder))["A"] / one - given)
        heats_s.append(sum(r.worth_s for r in records_of(folder, Heated)) - heat_given_s(folder))
        asked = [r.step for r in records_of(folder, HeatAsked)]
        assert len(asked) == len(set(asked)) == 2, seed
        assert abs(doses[-1]) < 1.0, (seed, doses)
        read = [r.time_s for r in readings_of_chip(SessionFolder(folder)) if r.temperature_c > HOT_C]
        assert abs(heats_s[-1]) < HEAT_S + float(np.diff(read).max(initial=0.0)), (seed, heats_s)
        assert dark_s[-1] < WITHIN_S, (seed, dark_s)
    for sockets in Path(tempfile.gettempdir()).glob("alloyscope-*"):
        shutil.rmtree(sockets)  # what was killed could not
    dose, heat_s = np.abs(doses).max(), np.abs(heats_s).max()
    told = f"dose within {dose:.2f} exposures, heat within {heat_s:.3f} s of what was given"
    told += f"; beam blanked after at most {max(dark_s):.2f} s ({len(dark_s) - 1} on)"
    tell(f"{target} killed, {mode}, at real speed", BLOWS, f"{told}; goes on after {max(again_s):.1f} s at most")
