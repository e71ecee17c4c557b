"""Another program acquires: what it drops into a folder, whole or piece by piece, gives what `analyse` gives."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

from drivers.frames import Frame
from drivers.recorded.session import read_session
from tests.analysis.files.test_spectrum_file import written
from tests.command import alloyscope

ALLOYSCOPE = [sys.executable, "-m", "controller.cli"]
PIXEL_NM = 2.0
PULSES = ((450.0, 60.0), (450.0, 120.0))
EDX = """
[edx]
backend = "simulated"
lines = ["Fe_Ka", "Pt_La"]
pixel_nm = 0.5
"""
SEED = {"seed = 3": "seed = 0"}
"""Of `analyse`, from which noise is simulated."""
HANGING_S = 60.0


@pytest.fixture
def series(recorded, session_file, tmp_path) -> list[tuple[np.ndarray, np.ndarray]]:
    """(images, tilts) of three states, as they were recorded in a session of ours."""
    folder = recorded(session_file(), tmp_path / "acquired").folder
    steps: dict[str, list[Frame]] = {}
    for item in read_session(folder):
        if isinstance(item, Frame):
            steps.setdefault(item.header.step, []).append(item)
    return [(np.array([f.image for f in s]), np.array([f.header.tilt_deg for f in s])) for s in steps.values()]


@pytest.fixture
def watching(session_file, tmp_path) -> Iterator[Callable[..., tuple[subprocess.Popen, Path]]]:
    started = []
    watched = tmp_path / "microscope"
    watched.mkdir()

    def start(*options: str, more: str = "") -> tuple[subprocess.Popen, Path]:
        path = session_file(**SEED)
        path.write_text(path.read_text().replace("[scan]", more + "[scan]"))
        command = [*ALLOYSCOPE, "watch", str(watched), "--session", str(path), "--no-screen"]
        command += ["--out", str(tmp_path / "s"), "--quiet-s", "1", *options]
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        started.append(process)
        return process, watched

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(HANGING_S)
        print((tmp_path / "log").read_text())


def said(tmp_path: Path, words: str) -> None:
    """Wait for a line of the log."""
    deadline = time.monotonic() + HANGING_S
    while words not in (tmp_path / "log").read_text():
        assert time.monotonic() < deadline, f"{words!r} was not said within {HANGING_S} s"
        time.sleep(0.05)


class Heater:
    """Writes the log of a chip whose clock is ahead; its pulses pass in no time of ours."""

    def __init__(self, path: Path, ahead_s: float) -> None:
        self.path, self.ahead_s = path, ahead_s
        self.at_s = 0.0
        began = datetime.now() + timedelta(seconds=ahead_s - 1000.0)
        path.write_text("experimentDuration,timeStamp,temperatureSetpoint,temperatureMeasured\n")
        self.began = began
        self.write(25.0, 1.0)

    def write(self, temperature_c: float, seconds: float) -> None:
        lines = []
        for _ in range(round(seconds / 0.1)):
            self.at_s += 0.1
            stamp = (self.began + timedelta(seconds=self.at_s)).isoformat()
            lines.append(f"{self.at_s:.1f},{stamp},{temperature_c},{temperature_c}\n")
        with self.path.open("a") as file:
            file.writelines(lines)

    def pulse(self, temperature_c: float, seconds: float) -> None:
        self.write(temperature_c, seconds)
        self.write(25.0, 1.0)

    def reaches_now(self) -> None:
        now_s = (datetime.now() + timedelta(seconds=self.ahead_s) - self.began).total_seconds()
        self.at_s = now_s + 2.0
        self.write(25.0, 0.2)


def slowly(path: Path, data: bytes) -> None:
    """As a copy over a slow network, with pauses longer than a look."""
    with path.open("wb") as file:
        for part in np.array_split(np.frombuffer(data, np.uint8), 4):
            file.write(part.tobytes())
            file.flush()
            time.sleep(0.6)


@pytest.mark.slow
def test_series_of_three_kinds_dropped_piece_by_piece_give_what_analyse_gives(series, watching, tmp_path):
    log = tmp_path / "impulse.csv"
    heater = Heater(log, ahead_s=300.0)
    process, watched = watching(
        "--log", str(log), "--log-ahead-s", "300", "--series", "3", "--json", str(tmp_path / "w")
    )

    (first, first_deg), (second, second_deg), (third, third_deg) = series
    mrcfile.write(tmp_path / "first.mrc", first.astype(np.int16))  # whole, its tilts late
    slowly(watched / "a.mrc", (tmp_path / "first.mrc").read_bytes())
    said(tmp_path, "a.mrc is not taken yet")
    (watched / "a.rawtlt").write_text("\n".join(f"{t:.4f}" for t in first_deg))
    said(tmp_path, "a.mrc waits for the heater's log")
    heater.reaches_now()
    said(tmp_path, f"a.mrc: {len(first)} images of NC2")

    heater.pulse(*PULSES[0])
    (watched / "b").mkdir()  # one image per tilt, while the stage tilts
    for number, (image, tilt_deg) in enumerate(zip(second, second_deg, strict=True)):
        tifffile.imwrite(watched / "b" / f"b_{number:03d}_{tilt_deg:.4f}deg.tif", image)
        time.sleep(0.1)
    later = time.time() + 70.0  # when they were written, by the pulse's own time
    for path in (watched / "b").iterdir():
        os.utime(path, (later, later))
    heater.write(25.0, 60.0)
    said(tmp_path, f"b: {len(second)} images of NC2")

    heater.pulse(*PULSES[1])
    tifffile.imwrite(tmp_path / "c.tif", third)
    (watched / "c.tlt").write_text("\n".join(f"{t:.4f}" for t in third_deg))
    slowly(watched / "c.tif", (tmp_path / "c.tif").read_bytes())
    later += 300.0
    os.utime(watched / "c.tif", (later, later))
    heater.write(25.0, 300.0)
    assert process.wait(4.0 * HANGING_S) == 0
    watch = json.loads((tmp_path / "w").read_text())

    manifest = tmp_path / "manifest.toml"
    manifest.write_text(
        '[[particle]]\nname = "NC2"\ncore = "Au"\nshell = "Ag"\n'
        + "".join(
            f'[[particle.state]]\ntilt_series = "{watched / name}"\npixel_nm = {PIXEL_NM}\nheat = [{heat}]\n'
            for name, heat in (("a.mrc", ""), ("b", told(tmp_path, 0)), ("c.tif", told(tmp_path, 1)))
        )
    )
    alone = alloyscope("analyse", manifest, "--json", tmp_path / "a", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert json.loads((tmp_path / "a").read_text())["particles"] == watch["particles"]
    again = alloyscope("analyse", tmp_path / "s", "--json", tmp_path / "s.json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "s.json").read_text())["particles"].keys() == watch["particles"].keys()


def told(tmp_path: Path, number: int) -> str:
    """The pulse as the journal has it: by the heater's log, its ramp and all."""
    lines = [json.loads(line) for line in (tmp_path / "s" / "journal.jsonl").read_text().splitlines()]
    pulse = [line for line in lines if line["what"] == "heated"][number]
    assert pulse["temperature_c"] == pytest.approx(PULSES[number][0])
    assert pulse["worth_s"] == pytest.approx(PULSES[number][1], abs=0.3)
    assert pulse["worth_std_s"] > 0.0
    return (
        f"{{temperature_c = {pulse['temperature_c']}, duration_s = {pulse['worth_s']}, std_s = {pulse['worth_std_s']}}}"
    )


def test_what_is_not_whole_or_comes_twice_is_not_taken(series, watching, tmp_path):
    process, watched = watching("--series-quiet-s", "4")
    (images, tilts_deg), (others, others_deg), _ = series
    tifffile.imwrite(watched / "cut.tif", images)
    (watched / "cut.tif").write_bytes((watched / "cut.tif").read_bytes()[:-5000])
    said(tmp_path, "cut.tif is not taken yet")
    (watched / "cut.tif").unlink()

    for name in ("one.mrc", "copy.mrc"):
        (watched / name).with_suffix(".rawtlt").write_text("\n".join(f"{t:.4f}" for t in tilts_deg))
        mrcfile.write(watched / name, images.astype(np.int16))
    said(tmp_path, "once more, count by count; it is left out")

    half = slice(0, len(others) // 2)
    tifffile.imwrite(watched / "short.tif", others[half])
    (watched / "short.tlt").write_text("\n".join(f"{t:.4f}" for t in others_deg[half]))
    said(tmp_path, f"short.tif has {len(others) // 2} of 29 images; it may still grow")
    said(tmp_path, f"short.tif has only {len(others) // 2} of 29 images")
    mrcfile.write(watched / "one.mrc", (2 * images).astype(np.int16), overwrite=True)
    said(tmp_path, "one.mrc has changed since it was analysed")
    process.send_signal(signal.SIGINT)
    assert process.wait(HANGING_S) == 0
    frames = [i for i in read_session(tmp_path / "s") if isinstance(i, Frame)]
    assert len(frames) == len(images) + len(others) // 2


def test_a_pulse_told_by_a_person_counts_for_what_comes_after_it(series, watching, tmp_path):
    process, watched = watching("--series", "2")
    for number, (images, tilts_deg) in enumerate(series[:2]):
        if number:
            time.sleep(1.0)
            assert "booked: 450 C for 60 s" in alloyscope("heat", tmp_path / "s", 450, 60, cwd=tmp_path).stdout
            assert "no heat pulse of a chip" in alloyscope("heat", tmp_path / "s", 4500, 60, cwd=tmp_path).stdout
            time.sleep(0.1)
        (watched / f"{number}.rawtlt").write_text("\n".join(f"{t:.4f}" for t in tilts_deg))
        mrcfile.write(watched / f"{number}.mrc", images.astype(np.int16))
        said(tmp_path, f"{number}.mrc: {len(images)} images")
    assert process.wait(HANGING_S) == 0
    heat = {f.header.step: f.header.heat for f in read_session(tmp_path / "s") if isinstance(f, Frame)}
    first, second = heat.values()
    assert first == ()
    assert [(p.temperature_c, p.duration_s) for p in second] == [(450.0, 60.0)]


def test_clocks_that_differ_are_noticed(series, watching, tmp_path):
    """The heater's clock is behind by five minutes: by it the first series was taken of a hot chip."""
    log = tmp_path / "impulse.csv"
    heater = Heater(log, ahead_s=0.0)
    heater.at_s = 900.0
    heater.pulse(450.0, 200.0)
    heater.write(25.0, 300.0)
    _, watched = watching("--log", str(log))
    images, tilts_deg = series[0]
    (watched / "a.rawtlt").write_text("\n".join(f"{t:.4f}" for t in tilts_deg))
    mrcfile.write(watched / "a.mrc", images.astype(np.int16))
    said(tmp_path, "says 450 C at")
    said(tmp_path, "give --log-ahead-s")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nowhere", "--session", "session.toml"], "there is no such folder"),
        (["here", "--session", "session.toml", "--out", "here/s"], "lies in the folder that is watched"),
        (["here", "--session", "session.toml", "--log", "nowhere/log.csv"], "lies in a folder that does not exist"),
    ],
)
def test_what_cannot_be_watched_is_said(session_file, tmp_path, options, words):
    session_file()
    (tmp_path / "here").mkdir()
    done = alloyscope("watch", *options, "--no-screen", cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr


def watched_here(tmp_path: Path, session: Path, *options: object) -> dict:
    """In this process, what lies in the folder already."""
    arguments = ("watch", "microscope", "--session", session, "--no-screen", "--out", "s", "--json", "w")
    done = alloyscope(*arguments, "--quiet-s", 0.5, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((tmp_path / "w").read_text())["particles"]["NC2"]


def test_a_map_is_what_edx_makes_of_its_file(session_file, tmp_path):
    """Where the session file has a section of them."""
    session = session_file(**SEED)
    session.write_text(session.read_text().replace("[scan]", EDX + "[scan]"))
    (tmp_path / "microscope").mkdir()
    path = written(tmp_path / "microscope" / "map.hspy", {"beam_energy": 200.0})
    (found,) = watched_here(tmp_path, session, "--series", 1)["edx"]
    alone = alloyscope("edx", path, "--lines", "Fe_Ka,Pt_La", "--radial", "--json", tmp_path / "e", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert found["composition_at_pct"] == json.loads((tmp_path / "e").read_text())["composition_at_pct"]
    assert (found["step"], found["frames"], found.get("simulated", False)) == ("c00/NC2/edx", 1, False)


def test_pulses_before_a_series_are_its_heat_and_a_late_pulse_is_not(series, session_file, tmp_path):
    """All of it there beforehand: the log with a pulse before the series and one after it."""
    (tmp_path / "microscope").mkdir()
    heater = Heater(tmp_path / "log.csv", ahead_s=-20.0)
    heater.pulse(450.0, 60.0)
    heater.write(25.0, 1100.0)
    heater.pulse(500.0, 30.0)
    images, tilts_deg = series[0]
    (tmp_path / "microscope" / "a.rawtlt").write_text("\n".join(f"{t:.4f}" for t in tilts_deg))
    mrcfile.write(tmp_path / "microscope" / "a.mrc", images.astype(np.int16))
    options = ("--log", "log.csv", "--log-ahead-s", -20, "--series", 1)
    (state,) = watched_here(tmp_path, session_file(**SEED), *options)["states"]
    assert state["heated_s"] == pytest.approx(60.0, abs=0.2)
