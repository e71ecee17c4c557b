"""A driver that hangs or blocks, wherever it does: the session ends in a sentence, chip cold and beam blanked."""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from controller.guard.client import GuardClient
from simulators.chip import SimulatedChip
from simulators.microscope import SimulatedMicroscope
from simulators.thermal_history import ThermalHistory
from tests.flows.test_deputy import SPECIMEN, cold_after, settings_of
from tests.flows.test_processes import ALLOYSCOPE, SHORT, happened, until

FOR_EVER_S = 300.0


class _Hangs:
    """Deaf to cancellation, as a library with threads of its own may be."""

    @staticmethod
    async def deaf() -> None:
        until_s = time.monotonic() + FOR_EVER_S
        while time.monotonic() < until_s:
            try:
                await asyncio.sleep(FOR_EVER_S)
            except asyncio.CancelledError:
                continue


class HangsInConnect(SimulatedMicroscope):
    async def connect(self) -> None:
        await _Hangs.deaf()


class BlocksInConnect(SimulatedMicroscope):
    async def connect(self) -> None:
        time.sleep(FOR_EVER_S)  # noqa: ASYNC251  # as many vendors' libraries do


class HangsInClose(SimulatedMicroscope):
    async def close(self) -> None:
        await _Hangs.deaf()


class BlocksInAScan(SimulatedMicroscope):
    """At its third scan; whoever wants the beam blanked needs a driver of his own, who says so in a file."""

    scans = 0
    simulated = False
    replayed = True

    def __init__(self, name, context, particles, voxels_across, current_pa) -> None:
        super().__init__(name, context, particles, voxels_across=voxels_across, current_pa=current_pa)
        self.folder = context.folder

    async def scan(self, settings):
        self.scans += 1
        if self.scans == 3:
            time.sleep(FOR_EVER_S)  # noqa: ASYNC251
        return await super().scan(settings)

    async def make_safe(self) -> None:
        (self.folder / f"blanked-by-{os.getpid()}").touch()


class HangsInASweep(SimulatedMicroscope):
    async def sweep(self, settings, to_deg, rate_deg_per_s):
        await _Hangs.deaf()
        yield


class BlocksWhenHot(SimulatedChip):
    """In the reading that comes after a file has been seen; the next driver of this chip is sound."""

    def __init__(self, name, context) -> None:
        super().__init__(name, context)
        self.folder = context.folder

    async def read(self):
        if (self.folder / "block").exists():
            (self.folder / "block").unlink()
            time.sleep(FOR_EVER_S)  # noqa: ASYNC251
        return await super().read()


@pytest.fixture(autouse=True)
def processes_find_the_drivers_here(monkeypatch) -> None:
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))


def started(session_file, tmp_path: Path, driver: type, **changes: str) -> tuple[subprocess.Popen, Path]:
    changes = {"durations_s": "[40.0]"} | changes
    swap = {'[microscope]\nbackend = "simulated"': f'[microscope]\nbackend = "{__name__}:{driver.__name__}"'}
    folder, path = tmp_path / "s", session_file(**(SHORT | swap | changes))
    with (tmp_path / "run.log").open("w") as log:
        command = [*ALLOYSCOPE, "run", str(path), "--no-screen", "--trust", "--speed", "20", "--out", str(folder)]
        return subprocess.Popen(command, stdout=log, stderr=log), folder


def ended(process: subprocess.Popen, tmp_path: Path, limit_s: float) -> tuple[int, str]:
    try:
        process.wait(limit_s)
    finally:
        process.kill()
        process.wait()
    told = (tmp_path / "run.log").read_text()
    assert "Traceback" not in told, told
    return process.returncode, told


@pytest.mark.parametrize("driver", [HangsInConnect, pytest.param(BlocksInConnect, marks=pytest.mark.slow)])
def test_a_session_whose_microscope_hangs_in_connect_can_be_ended(session_file, tmp_path, driver):
    process, folder = started(session_file, tmp_path, driver)
    until((folder / "guard.jsonl").exists, 30.0, "the start", process)
    process.send_signal(signal.SIGTERM)
    code, told = ended(process, tmp_path, 40.0)
    assert code == 1
    assert "told to end while the instruments were being connected" in told


@pytest.mark.parametrize("driver", [HangsInClose, pytest.param(BlocksInAScan, marks=pytest.mark.slow)])
def test_a_session_whose_microscope_hangs_ends_by_itself(session_file, tmp_path, driver):
    process, folder = started(session_file, tmp_path, driver)
    if driver is BlocksInAScan:
        until(lambda: happened(folder / "journal.jsonl", "frame")[1:], 60.0, "two frames", process)
    code, told = ended(process, tmp_path, 90.0)
    assert code == 1
    if driver is HangsInClose:
        assert "microscope: asked to close, no answer within 5 s" in told
        assert happened(folder / "journal.jsonl", "end")[-1]["reason"] == "completed"
    else:
        assert "microscope: asked to blank the beam, no answer within" in told
        assert list(folder.glob("blanked-by-*")), "the deputy blanks the beam with a driver of its own"
        assert happened(folder / "guard.jsonl", "beam_blanked")
    assert happened(folder / "guard.jsonl", "end")


@pytest.mark.slow
def test_a_sweep_that_hangs_is_named(session_file, tmp_path):
    process, _ = started(session_file, tmp_path, HangsInASweep, mode="continuous")
    code, told = ended(process, tmp_path, 90.0)
    assert code == 1
    assert "microscope: asked to scan while it tilts, no answer within" in told


def test_a_chip_whose_driver_blocks_while_it_is_hot_is_switched_off_by_the_deputy(tmp_path):
    client = GuardClient(settings_of(tmp_path, backend=f"{__name__}:BlocksWhenHot"), "simulated", SPECIMEN)

    # A reading has its limit, switching off another one.
    told = cold_after(client, tmp_path, (tmp_path / "block").touch, limit_s=12.0)
    assert "its deputy has made the chip safe" in told
    assert ThermalHistory(tmp_path).new()[-1, 1] < 60.0
