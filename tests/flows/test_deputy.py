"""Whoever of guard and controller dies, the chip is cold and the beam blanked a moment later, by whoever is left."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.guard.client import GuardClient
from controller.guard.settings import GuardSettings
from drivers.errors import InterlockTripped, first_of
from drivers.recorded.journal import read_guard_journal
from drivers.recorded.records import BeamBlanked, Cold, GuardEnd, MadeSafe
from simulators.microscope import SimulatedMicroscope
from simulators.thermal_history import ThermalHistory

ROOT = Path(__file__).parents[2]
HOT_C = 450.0
SPECIMEN = {"particles": [{"specimen": "NC2"}]}
HANGING_S = 60.0


class RealMicroscope(SimulatedMicroscope):
    """Tells in a file whether its beam is on, which outlives the program that switched it on."""

    simulated = False

    def __init__(self, name, context, particles) -> None:
        super().__init__(name, context, particles)
        self.beam = context.folder / "beam"

    async def connect(self) -> None:
        """Its specimen is not asked for."""

    async def make_safe(self) -> None:
        self.beam.write_text("blanked")


def settings_of(folder: Path, backend: str = "simulated") -> GuardSettings:
    return GuardSettings(
        folder=str(folder),
        origin=str(folder),
        backend=backend,
        options={},
        limits={"max_c": 500.0},
        seed=1,
        speed=1.0,
        epoch=time.monotonic(),
    )


def kinds(folder: Path) -> list[type]:
    return [type(entry.record) for entry in read_guard_journal(folder)]


def until(true, what: str) -> None:
    deadline = time.monotonic() + HANGING_S
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {HANGING_S} s"
        time.sleep(0.01)


def cold_after(client: GuardClient, folder: Path, strike: Callable[[], object], limit_s: float) -> str:
    """Heat the chip, strike, and see it cold within so long; what the session is told of it."""

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(client.serve())
            await asyncio.sleep(0)
            await client.connect()
            await client.ramp_to(HOT_C, 1000.0)
            strike()
            began_s = time.monotonic()
            while Cold not in kinds(folder):
                assert time.monotonic() - began_s < HANGING_S, "the chip stayed hot"
                await asyncio.sleep(0.01)
            assert time.monotonic() - began_s < limit_s

    async def whole() -> str:
        try:
            with pytest.raises(ExceptionGroup) as ended:
                await main()
        finally:
            await client.close()
        told = first_of(ended.value)
        assert isinstance(told, InterlockTripped), told
        return str(told)

    return asyncio.run(whole())


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSTOP])
def test_a_guard_that_is_killed_stopped_or_told_to_end_leaves_a_cold_chip(tmp_path, blow):
    client = GuardClient(settings_of(tmp_path), "simulated", SPECIMEN)

    def strike() -> None:
        assert client.pid is not None
        os.kill(client.pid, blow)

    assert "made the chip safe" in cold_after(client, tmp_path, strike, limit_s=3.0)
    assert kinds(tmp_path).count(MadeSafe) == 1
    assert kinds(tmp_path)[-1] is GuardEnd
    assert ThermalHistory(tmp_path).new()[-1, 1] < 60.0


def test_a_deputy_that_cannot_take_over_is_followed_by_another(tmp_path):
    """Both struck at once: the controller may see the deputy alive a moment before it sees the guard dead."""
    client = GuardClient(settings_of(tmp_path), "simulated", SPECIMEN)

    def strike() -> None:
        assert client.pid is not None
        assert client._deputy is not None
        os.kill(client._deputy.pid, signal.SIGSTOP)
        os.kill(client.pid, signal.SIGKILL)

    assert "deputy has made the chip safe" in cold_after(client, tmp_path, strike, limit_s=6.0)


@pytest.fixture
def controller(tmp_path) -> Iterator[subprocess.Popen]:
    """A controller of its own process, with a hot chip and a beam that is on."""
    script = f"""
import asyncio, os
from pathlib import Path
from controller.guard.client import GuardClient
from tests.flows.test_deputy import HOT_C, SPECIMEN, settings_of

async def main():
    folder = Path({str(tmp_path)!r})
    client = GuardClient(settings_of(folder), "tests.flows.test_deputy:RealMicroscope", SPECIMEN)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client.serve())
        await asyncio.sleep(0)
        await client.connect()
        await client.ramp_to(HOT_C, 1000.0)
        (folder / "beam").write_text("on")
        (folder / "guard_pid").write_text(str(client.pid))
        await asyncio.Event().wait()

asyncio.run(main())
"""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": path}, cwd=ROOT)
    until((tmp_path / "guard_pid").exists, "the heat pulse")
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def test_a_controller_that_is_killed_leaves_a_cold_chip_and_a_blanked_beam(tmp_path, controller):
    os.kill(controller.pid, signal.SIGKILL)
    began_s = time.monotonic()
    until(lambda: (tmp_path / "beam").read_text() == "blanked", "blanking the beam")
    assert time.monotonic() - began_s < 1.0
    until(lambda: GuardEnd in kinds(tmp_path), "the end of the guard")
    assert {MadeSafe, Cold, BeamBlanked} <= set(kinds(tmp_path))


def test_guard_and_controller_killed_at_once_leave_a_cold_chip_and_a_blanked_beam(tmp_path, controller):
    for pid in (int((tmp_path / "guard_pid").read_text()), controller.pid):
        os.kill(pid, signal.SIGKILL)
    began_s = time.monotonic()
    until(lambda: Cold in kinds(tmp_path), "the quench")
    assert time.monotonic() - began_s < 3.0
    until(lambda: BeamBlanked in kinds(tmp_path), "blanking the beam")
    assert (tmp_path / "beam").read_text() == "blanked"
    assert ThermalHistory(tmp_path).new()[-1, 1] < 60.0


def test_what_is_told_to_a_guard_is_not_in_its_command_line(tmp_path):
    settings = settings_of(tmp_path)
    client = GuardClient(settings, "simulated", SPECIMEN)

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(client.serve())
            await asyncio.sleep(0)
            await client.connect()
            assert b"max_c" not in Path(f"/proc/{client.pid}/cmdline").read_bytes()
            serving.cancel()
        await client.close()

    asyncio.run(main())
