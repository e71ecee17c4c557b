"""A session on the wires of real instruments: `alloyscope run` on Impulse and temscript, the twin behind both."""

import json
import math
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drivers.test_impulse import free_ports

ALLOYSCOPE = [sys.executable, "-m", "controller.cli"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "impulse_temscript_nc2.toml"
TRUE_D = 2.4e-19
"""Of the twin's NC2 at 450 C."""


@pytest.fixture
def lab(tmp_path):
    """The example with fewer tilts, on free ports, its instruments simulated."""
    control, data, http = free_ports(3)
    text = EXAMPLE.read_text()
    swaps = {
        "step_deg = 2.0": "step_deg = 7.0",
        "durations_s = [15, 15, 30]": "durations_s = [15, 15]",
        'host = "127.0.0.1"  # of the computer with Impulse': f"control_port = {control}\ndata_port = {data}",
        'host = "127.0.0.1"  # of the microscope\'s': f'port = {http}\nhost = "127.0.0.1"  # of the microscope\'s',
    }
    for old, new in swaps.items():
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / "session.toml"
    path.write_text(text)
    command = [*ALLOYSCOPE, "simulate", str(path), "--folder", str(tmp_path / "world")]
    command += ["--twin", "tilt_speed_deg_per_s=50"]
    instruments = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert instruments.stdout is not None
    told = [instruments.stdout.readline() for _ in range(3)]
    assert told[0].startswith("SIMULATED Impulse"), told
    yield path
    instruments.send_signal(signal.SIGINT)
    assert instruments.wait(20.0) == 0
    instruments.stdout.close()


@pytest.mark.slow
def test_d_of_a_session_over_both_wires_is_the_twins(lab, tmp_path):
    out = tmp_path / "s"
    command = [*ALLOYSCOPE, "run", str(lab), "--no-screen", "--out", str(out), "--json", str(tmp_path / "d.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED session" in done.stdout
    told = json.loads((tmp_path / "d.json").read_text())
    (d,) = told["particles"]["NC2"]["diffusivities"]
    # Its pulses pass in real time: how long they were is known as well as Impulse reads.
    (length,) = (share["part"] for share in d["budget"] if share["cause"] == "length of pulses")
    assert length == pytest.approx(0.12 * 2**0.5 / 30.5, rel=0.1)
    assert abs(d["value"] - TRUE_D) < 3.0 * math.hypot(d["std"], length * d["value"])
    assert d["value"] == pytest.approx(TRUE_D, rel=0.05)
    pulses = re.findall(r"worth ([\d.]+) \+- ([\d.]+) s", done.stdout)
    assert len(pulses) == 2
    assert all(15.0 < float(worth) < 15.6 and float(std_s) == pytest.approx(0.12) for worth, std_s in pulses)


@pytest.mark.parametrize("command", [["dry-run"], ["run", "--speed", "5"]])
def test_hours_are_never_passed_in_seconds_on_an_instrument_that_may_be_real(command, tmp_path):
    """Before anything is connected: nothing listens here at all."""
    asked = [*ALLOYSCOPE, command[0], str(EXAMPLE), *command[1:], "--no-screen", "--out", str(tmp_path / "s")]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "chip.backend is a real instrument" in done.stderr
    assert "microscope.backend is a real instrument" in done.stderr
    assert not (tmp_path / "s").exists()
