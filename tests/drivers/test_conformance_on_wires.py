"""Drivers of real instruments do what every driver must, on instruments that are simulated on their vendors' wires."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command import alloyscope
from tests.drivers.test_impulse import free_ports

SHEET = "{ r0_ohm = 220.0, alpha_per_c = 1.6e-3, beta_per_c2 = -1.5e-7, alpha_std_per_c = 8e-6 }"
SESSION = """
title = "wires"
[chip]
backend = "{chip}"
options = {{ {chip_options} }}
[microscope]
backend = "temscript"
options = {{ host = "127.0.0.1", port = {http}, field_nm_at_1x = 1e8 }}
[scan]
pixel_nm = 0.8
current_pa = 500.0
[[particles]]
name = "NC2"
core = "Au"
shell = "Ag"
[[plan]]
kind = "tilt-series"
"""


@pytest.fixture
def served(tmp_path) -> Iterator[Callable[[str, str, int], None]]:
    """Simulated instruments, for a chip's backend with its options and a microscope at a port."""
    started: list[subprocess.Popen] = []

    def serve(chip: str, options: str, http: int) -> None:
        path = tmp_path / "session.toml"
        path.write_text(SESSION.format(chip=chip, chip_options=options, http=http))
        command = [sys.executable, "-m", "controller.cli", "simulate", str(path), "--twin", "voxels_across=24"]
        process = subprocess.Popen([*command, "--twin", "tilt_speed_deg_per_s=50"], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(3)]
        assert told[2].startswith("truth: "), told

    yield serve
    for process in started:
        process.send_signal(signal.SIGINT)
        assert process.wait(20.0) == 0
        assert process.stdout is not None
        process.stdout.close()


def trial(tmp_path: Path, backend: str, *options: str) -> str:
    """What is printed; none of it says that something does not hold."""
    given = [word for option in options for word in ("--option", option)]
    done = alloyscope("devices", "test", backend, "--yes", *given, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_impulse(served, tmp_path):
    control, data, http = free_ports(3)
    served("impulse", f"control_port = {control}, data_port = {data}", http)
    assert "10 of 10 hold" in trial(tmp_path, "impulse", f"control_port = {control}", f"data_port = {data}")


@pytest.mark.slow
def test_keithley(served, tmp_path):
    scpi, http = free_ports(2)
    options = ['host = "127.0.0.1"', f"port = {scpi}", f"calibration = {SHEET}"]
    served("keithley", ", ".join(options), http)
    assert "10 of 10 hold" in trial(tmp_path, "keithley", *options)


@pytest.mark.slow
def test_temscript_which_cannot_scan_while_it_tilts(served, tmp_path):
    control, data, http = free_ports(3)
    served("impulse", f"control_port = {control}, data_port = {data}", http)
    options = ['host = "127.0.0.1"', f"port = {http}", "field_nm_at_1x = 1e8"]
    told = trial(tmp_path, "temscript", *options)
    assert "8 of 9 hold, 0 do not, 1 not seen" in told
    assert "not seen scans while it tilts" in told


def test_a_name_that_is_no_driver_and_options_that_are_none_are_refused(tmp_path):
    for words, told in (
        (["impulze"], "is neither an installed chip nor microscope"),
        (["simulated"], "is both; add --kind"),
        (["impulse", "--option", "port=1"], "has no such option"),
        (["impulse", "--option", "host=x"], "--option takes KEY=VALUE as in TOML"),
    ):
        done = alloyscope("devices", "test", *words, "--yes", cwd=tmp_path)
        assert done.returncode == 2
        assert told in done.stderr
