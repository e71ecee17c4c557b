"""A whole session whose chip and microscope are behind device hosts, and what is left of one that is killed."""

import os
import signal
import time
from contextlib import suppress

import pytest

from controller.plan.check import checked_session
from drivers.errors import ConfigError
from drivers.frames import Frame
from drivers.recorded.session import read_session
from tests.drivers.device_hosts import host  # noqa: F401  # a fixture
from tests.flows.test_processes import HANGING_S, SHORT, happened, running, until  # noqa: F401  # a fixture
from tests.leftovers import processes


@pytest.fixture
def remote(host) -> dict[str, str]:  # noqa: F811
    """What makes a session file one with both instruments elsewhere."""
    chip = host(("simulators.chip:SimulatedChip", {}))
    column = host(("simulators.bare_microscope:BareMicroscope", {}))
    chip_remote = f'backend = "drivers.remote:RemoteChip"\noptions = {{ address = "{chip.address}" }}'
    options = f'address = "{column.address}"\ntilt_range_deg = [-70.0, 70.0]'
    return SHORT | {
        '[chip]\nbackend = "simulated"': f"[chip]\n{chip_remote}",
        '[microscope]\nbackend = "simulated"': '[microscope]\nbackend = "drivers.remote:RemoteMicroscope"',
        'particles = [{ specimen = "NC2" }]\nvoxels_across = 36.0\ncurrent_pa = 400.0': options,
    }


def test_a_session_runs_with_instruments_elsewhere(running, remote, tmp_path):  # noqa: F811
    process, folder = running(1.0, **(remote | {"durations_s": "[3.0]"}))
    assert process.wait(HANGING_S) == 0, (tmp_path / "run.log").read_text()
    frames = [item for item in read_session(folder) if isinstance(item, Frame)]
    assert [round(frame.header.tilt_deg) for frame in frames] == [-4, 0, 4] * 2
    assert all(frame.header.simulated for frame in frames)
    assert frames[0].image.mean() == pytest.approx(20.0, abs=0.5)
    (pulse,) = happened(folder / "journal.jsonl", "heat")
    assert happened(folder / "journal.jsonl", "end")[-1]["reason"] == "completed"
    assert frames[-1].header.heat[0].temperature_c == pytest.approx(450.0, abs=2.0)
    assert frames[-1].header.heat[0].duration_s == pytest.approx(3.0, abs=0.3), pulse
    assert (tmp_path / "host.log").read_text().count("is held by") == 2


def test_a_session_that_is_killed_whole_leaves_a_cold_chip(running, remote, tmp_path):  # noqa: F811
    """Also guard and deputy: now there is somebody beside the instrument."""
    process, folder = running(1.0, **remote)
    until(lambda: happened(folder / "journal.jsonl", "heat"), HANGING_S, "the heat pulse", process)
    time.sleep(1.0)
    ours = [pid for pid, name in processes().items() if "drivers.device_host" not in name]
    for pid in ours:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    killed_s = time.monotonic()
    until(lambda: "the chip is cold" in (tmp_path / "host.log").read_text(), HANGING_S, "the quench")
    print(f"cold {time.monotonic() - killed_s:.2f} s after everything was killed")
    assert time.monotonic() - killed_s < 4.5
    assert not happened(folder / "guard.jsonl", "made_safe")


def test_a_guard_that_is_killed_is_followed_by_its_deputy_on_a_line_of_its_own(running, remote):  # noqa: F811
    process, folder = running(1.0, **remote)
    until(lambda: happened(folder / "journal.jsonl", "heat"), HANGING_S, "the heat pulse", process)
    time.sleep(1.0)
    assert not happened(folder / "guard.jsonl", "cold")
    (guard,) = (pid for pid, name in processes().items() if "controller.guard.process" in name)
    os.kill(guard, signal.SIGKILL)
    killed_s = time.monotonic()
    until(lambda: happened(folder / "guard.jsonl", "cold"), HANGING_S, "the quench")
    print(f"cold {time.monotonic() - killed_s:.2f} s after the guard was killed")
    assert time.monotonic() - killed_s < 3.0
    assert "its deputy took over" in happened(folder / "guard.jsonl", "made_safe")[0]["reason"]
    assert process.wait(HANGING_S) == 1


def test_a_dry_run_never_drives_an_instrument_elsewhere(remote, session_file):
    path = session_file(**remote)
    checked_session(path)
    with pytest.raises(ConfigError, match=r"chip\.backend is a real instrument"):
        checked_session(path, faked_clock=True)
