"""`alloyscope` as real processes: the guard outlives its controller, and nothing acknowledged is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from analysis.reanalysis.offline import analyse
from controller.stream.running_session import find_endpoints, send_command
from drivers.frames import Frame
from drivers.recorded.journal import records_of
from drivers.recorded.records import FrameRecorded
from drivers.recorded.session import read_session
from tests.leftovers import processes

ALLOYSCOPE = [sys.executable, "-m", "controller.cli"]
HANGING_S = 80.0
"""What takes longer hangs; what must be fast is measured by the files."""
SHORT = {
    "durations_s": "[4000.0]",
    "step_deg": 4.0,
    "from_deg = -70.0": "from_deg = -4.0",
    "to_deg = 70.0": "to_deg = 4.0",
}


def until(true: Callable[[], object], limit_s: float, what: str, process: subprocess.Popen | None = None) -> None:
    """Wait; `process` is what must be running meanwhile."""
    deadline = time.monotonic() + limit_s
    while not true():
        assert process is None or process.poll() is None, f"the process ended before {what}"
        assert time.monotonic() < deadline, f"{what} did not happen within {limit_s} s"
        time.sleep(0.02)


def records(path: Path) -> list[dict]:
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"}")]


def happened(path: Path, what: str) -> list[dict]:
    return [r for r in records(path) if r["what"] == what]


@pytest.fixture
def running(session_file, tmp_path) -> Iterator[Callable[..., tuple[subprocess.Popen, Path]]]:
    started: list[subprocess.Popen] = []

    def start(speed: float, **changes: object) -> tuple[subprocess.Popen, Path]:
        folder = tmp_path / "s"
        command = [*ALLOYSCOPE, "run", str(session_file(**changes)), "--no-screen", "--speed", str(speed)]
        with (tmp_path / "run.log").open("w") as log:
            process = subprocess.Popen([*command, "--out", str(folder)], stdout=log, stderr=log, start_new_session=True)
        started.append(process)
        return process, folder

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            for blow in (signal.SIGCONT, signal.SIGKILL):
                os.killpg(process.pid, blow)  # its analysis, too, which would wait for it for a while
        process.wait()
        print((tmp_path / "run.log").read_text())
    until(lambda: not processes(), 60.0, "the end of the guard by itself")
    for sockets in Path(tempfile.gettempdir()).glob("alloyscope-*"):
        shutil.rmtree(sockets)  # what was killed could not


STOPPED = pytest.param(signal.SIGSTOP, marks=pytest.mark.slow, id="SIGSTOP")


@pytest.mark.parametrize("blow", [pytest.param(signal.SIGKILL, id="SIGKILL"), STOPPED])
def test_the_guard_quenches_within_a_second_of_the_last_heartbeat(running, blow):
    process, folder = running(4.0, **SHORT)
    guard = folder / "guard.jsonl"
    until(lambda: happened(folder / "journal.jsonl", "heat"), HANGING_S, "the heat pulse", process)
    time.sleep(1.0)
    os.kill(process.pid, blow)
    until(lambda: happened(guard, "cold"), HANGING_S, "the quench")
    (safe,), (cold,) = happened(guard, "made_safe"), happened(guard, "cold")
    assert "heartbeat" in safe["reason"]
    assert safe["temperature_c"] == pytest.approx(450.0, abs=3.0)
    assert cold["temperature_c"] < 60.0
    assert cold["since_heartbeat_s"] < 1.0
    until(lambda: happened(guard, "end"), HANGING_S, "the end of the guard")


def test_killing_everything_in_a_tilt_series_loses_no_acknowledged_frame(running):
    process, folder = running(30.0, durations_s="[20.0]", step_deg=2.0)
    journal = folder / "journal.jsonl"
    until(lambda: len(happened(journal, "frame")) > 90, HANGING_S, "the second tilt series", process)
    pids = [process.pid, *(r["pid"] for r in happened(journal, "analysis"))]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    acknowledged = {r.seq for r in records_of(folder, FrameRecorded)}
    recorded = {i.header.seq for i in read_session(folder) if isinstance(i, Frame)}
    assert acknowledged <= recorded
    assert len(recorded) <= len(acknowledged) + 1
    states = analyse(folder, lambda _: None)["particles"]["NC2"]["states"]
    assert len(states) == 2
    assert states[0]["frames"] == 71
    assert states[1]["frames"] == len(recorded) - 71


@pytest.mark.slow
def test_a_killed_session_goes_on_where_it_was(running):
    process, folder = running(30.0, durations_s="[20.0]", step_deg=4.0)
    journal = folder / "journal.jsonl"
    until(lambda: len(happened(journal, "frame")) > 44, HANGING_S, "the second tilt series", process)
    process.kill()
    process.wait()
    command = [*ALLOYSCOPE, "stop", str(folder)]
    stopped = subprocess.run(command, capture_output=True, text=True, timeout=HANGING_S)
    assert (stopped.returncode, "was killed" in stopped.stderr) in ((2, True), (0, False)), stopped.stderr
    command = [*ALLOYSCOPE, "resume", str(folder), "--no-screen", "--speed", "30"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGING_S)
    assert done.returncode == 0, done.stderr
    assert "goes on from there" in done.stdout
    assert [r["what"] for r in records(journal)].count("heat") == 1
    frames = [i.header for i in read_session(folder) if isinstance(i, Frame)]
    assert len({(h.step, round(h.tilt_deg)) for h in frames}) == len(frames) == 72
    assert happened(journal, "end")[-1]["reason"] == "completed"
    assert all(s["quality"] == "good" for s in analyse(folder, lambda _: None)["particles"]["NC2"]["states"])


def test_a_running_session_is_paused_resumed_and_aborted_from_another_process(running):
    # Slow enough that a command from a busy machine comes before the end of the session.
    process, folder = running(5.0, durations_s="[20.0]", step_deg=2.0)
    journal = folder / "journal.jsonl"

    def send(command: str, *more: str, code: int = 0) -> str:
        words = [*ALLOYSCOPE, command, str(folder), *more]
        done = subprocess.run(words, capture_output=True, text=True, timeout=HANGING_S)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    until(lambda: len(happened(journal, "frame")) > 3, HANGING_S, "the first frames", process)
    assert "pausing" in send("pause")
    until(lambda: any(r["state"] == "paused" for r in happened(journal, "state")), HANGING_S, "the pause", process)
    before = len(happened(journal, "frame"))
    time.sleep(0.6)
    assert len(happened(journal, "frame")) == before
    assert "c01/heat is now 440 C for 7.5 s" in send("change", "c01/heat", "440", "7.5")
    assert "c01/NC2/tilt is skipped" in send("skip", "c01/NC2/tilt")
    assert "the limits are" in send("change", "c01/heat", "900", "1", code=2)
    assert "it has begun" in send("skip", "c00", code=2)
    assert "report is being made" in send_command(find_endpoints(str(folder), None), "report")
    page = folder / "report" / "report.html"
    until(page.is_file, HANGING_S, "the report of a session that is paused", process)
    assert "it still runs" in page.read_text()
    assert [r["step"] for r in happened(journal, "plan_amended")] == ["c01/heat", "c01/NC2/tilt"]
    assert "running" in send("resume")
    until(lambda: len(happened(journal, "frame")) > before + 3, HANGING_S, "more frames", process)
    assert "aborting" in send("abort")
    assert process.wait(HANGING_S) == 0
    assert happened(journal, "end")[-1]["reason"] == "aborted"
    assert happened(folder / "guard.jsonl", "end")


def test_an_emergency_stop_from_another_process_cools_the_chip_and_ends_the_run(running):
    process, folder = running(4.0, **SHORT)
    until(lambda: happened(folder / "guard.jsonl", "ramp"), HANGING_S, "the heat pulse", process)
    time.sleep(0.5)
    subprocess.run([*ALLOYSCOPE, "stop", str(folder)], check=True, timeout=HANGING_S, capture_output=True)
    assert process.wait(HANGING_S) == 1
    assert happened(folder / "guard.jsonl", "made_safe")[0]["reason"] == "emergency stop"
    assert happened(folder / "guard.jsonl", "cold")
