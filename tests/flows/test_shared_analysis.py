"""Several analyses of one session, here and elsewhere, of which one is killed: the same numbers as of one."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.reanalysis.offline import analyse
from drivers.key_file import make_keys
from drivers.recorded.journal import records_of
from drivers.recorded.records import AnalysisStarted
from tests.command import ALLOYSCOPE
from tests.controller.stream.test_door import address  # noqa: F401  # a fixture
from tests.leftovers import processes

LIMIT_S = 200.0
TWO = {
    "seed = 3": "seed = 3\narrhenius = { q_j_per_mol = 200000.0, q_std_j_per_mol = 10000.0 }",
    'particles = [{ specimen = "NC2" }]': 'particles = [{ specimen = "NC2" }, { specimen = "NC1", y_nm = 2000.0 }]',
    "[[particles]]": '[[particles]]\nname = "NC1"\ncore = "Au"\nshell = "Ag"\nwindow = "edge"\n\n[[particles]]',
    # Before each tilt series an image, so that particles come in two orders.
    'kind = "tilt-series"': 'kind = "image"\n[[plan]]\nkind = "tilt-series"',
    "durations_s": "[30.0]",
    "step_deg": 10.0,
}


def until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def numbers(told: dict[str, Any]) -> dict[str, Any]:
    """What an analysis says, but not who made it and how."""
    plain = json.loads(json.dumps(told))
    return {name: plain[name] for name in ("particles", "window_offsets_c", "warnings") if name in plain}


@pytest.fixture
def running(tmp_path):
    """Starts commands, and kills what is left of them."""
    started: list[subprocess.Popen[bytes]] = []

    def start(log: Path, *words: object) -> subprocess.Popen[bytes]:
        with log.open("w") as file:
            command = [*ALLOYSCOPE, *map(str, words)]
            started.append(subprocess.Popen(command, stdout=file, stderr=file, cwd=tmp_path, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    until(lambda: not processes(), "the end of the guard by itself")
    for log in sorted(tmp_path.glob("*.log")):
        print(log.name, log.read_text())


@pytest.mark.slow
def test_two_processes_share_the_particles_and_one_is_killed(session_file, tmp_path, running):
    file = session_file(**TWO)
    file.write_text(file.read_text().replace("\n[chip]", "\nanalysis = { workers = 2 }\n\n[chip]", 1))
    folder, log, told = tmp_path / "s", tmp_path / "run.log", tmp_path / "s.json"
    session = running(log, "dry-run", file, "--no-screen", "--out", folder, "--json", told)

    def started() -> list[int]:
        there = (folder / "journal.jsonl").exists()
        return [started.pid for started in records_of(folder, AnalysisStarted)] if there else []

    until(lambda: "after 0 s: alloying" in log.read_text(), "a first state")
    first, *others = started()
    assert len(others) == 1
    os.kill(first, signal.SIGKILL)
    assert session.wait(LIMIT_S) == 0, log.read_text()
    assert len(started()) == 3
    assert re.search(r"the analysis process here [12] ended \(code -9\); started again", log.read_text())
    live = numbers(json.loads(told.read_text()))
    assert live == numbers(analyse(folder, lambda _: None))
    assert len(live["window_offsets_c"]) == 1


@pytest.mark.slow
def test_another_computer_takes_part_until_it_dies(session_file, tmp_path, running, address):  # noqa: F811
    make_keys(tmp_path / "keys")
    key = tmp_path / "keys" / "session.key"
    folder, log, told = tmp_path / "s", tmp_path / "run.log", tmp_path / "s.json"
    listening = "--listen", address, "--key", key
    file = session_file(**TWO)
    session = running(log, "run", file, "--no-screen", "--speed", 30, *listening, "--out", folder, "--json", told)
    until(lambda: "step 1/" in log.read_text(), "the first tilt series")
    elsewhere = tmp_path / "elsewhere.log"
    analyst = tmp_path / "keys" / "analyst.key"
    laptop = running(elsewhere, "assist", address, "--key", analyst, "--name", "laptop")
    until(lambda: "is analysed" in elsewhere.read_text() or session.poll() is not None, "its first series")
    assert session.poll() is None, log.read_text()
    (step,) = re.findall(r"^(\S+) is analysed", elsewhere.read_text(), re.MULTILINE)
    until((folder / "volumes" / f"{step.replace('/', '_')}.mrc").is_file, "the reconstruction's arrival")
    laptop.kill()
    assert session.wait(LIMIT_S) == 0, log.read_text()
    said = log.read_text()
    assert "an analysis on another computer joins: laptop" in said
    assert "the analysis on another computer, laptop, is not heard any more; others do its part" in said
    live = numbers(json.loads(told.read_text()))
    assert live == numbers(analyse(folder, lambda _: None))
    assert [len(particle["states"]) for particle in live["particles"].values()] == [2, 2]
