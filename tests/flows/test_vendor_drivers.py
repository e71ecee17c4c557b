"""What a vendor's driver, or a controller that hangs, may do to a session: the chip is safe and the reason is told."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from controller.cli import main
from controller.guard.client import HANG_LIMIT_S, GuardClient
from controller.guard.process import HEARTBEAT_LIMIT_S
from controller.guard.settings import GuardSettings
from controller.plan.check import checked_session
from drivers.errors import ConfigError, DeviceError, InterlockTripped
from drivers.frames import Frame
from drivers.interfaces import HeaterReading, ScanSettings
from drivers.recorded.session import read_session
from simulators.chip import SimulatedChip
from simulators.microscope import SimulatedMicroscope
from tests.flows.test_processes import happened

WARM_C = 300.0


class DetectorRetracts(SimulatedMicroscope):
    scans = 0

    async def scan(self, settings: ScanSettings):
        self.scans += 1
        if self.scans >= 5:
            raise RuntimeError("the detector is retracted")
        return await super().scan(settings)


class KnowsItsRangeLate(SimulatedMicroscope):
    def tilt_range_deg(self):
        raise RuntimeError("the holder was never read")


class NoCompliance(SimulatedChip):
    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        raise OSError("the source meter is in compliance")


class StaysWarm(SimulatedChip):
    """Until its power is cut."""

    off = False

    async def make_safe(self) -> None:
        self.off = True
        await super().make_safe()

    async def read(self) -> HeaterReading:
        reading = await super().read()
        return reading if self.off else HeaterReading(reading.time_s, WARM_C, 200.0, WARM_C, 20.0)


@pytest.fixture(autouse=True)
def guards_find_the_drivers_here(monkeypatch) -> None:
    """A process of its own looks for drivers where it is told to, never in the current folder."""
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))


def with_microscope(driver: type) -> dict[str, str]:
    return {'[microscope]\nbackend = "simulated"': f'[microscope]\nbackend = "{__name__}:{driver.__name__}"'}


def test_a_microscope_that_fails_ends_the_session_in_a_sentence(session_file, tmp_path, monkeypatch, capsys):
    path, folder = session_file(**with_microscope(DetectorRetracts)), tmp_path / "s"
    monkeypatch.setattr(
        "sys.argv", ["alloyscope", "dry-run", str(path), "--no-screen", "--trust", "--out", str(folder)]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "the detector is retracted" in told
    assert "Traceback" not in told
    assert "Traceback" in (folder / "error.log").read_text()
    assert sum(isinstance(item, Frame) for item in read_session(folder)) == 4
    assert happened(folder / "journal.jsonl", "end")[-1]["reason"] == "failed"


def test_a_microscope_that_does_not_know_its_range_is_refused_before_the_session(session_file):
    with pytest.raises(ConfigError, match="holder was never read"):
        checked_session(session_file(**with_microscope(KnowsItsRangeLate)))


def guard_of(chip: type, folder: Path) -> GuardClient:
    folder.mkdir()
    return GuardClient(
        GuardSettings(
            folder=str(folder),
            origin=str(folder),
            backend=f"{__name__}:{chip.__name__}",
            options={},
            limits={"max_c": 500.0},
            seed=1,
            speed=1.0,
            epoch=time.monotonic(),
        ),
        "simulated",
        {"particles": [{"specimen": "NC2"}]},
    )


async def with_guard(client: GuardClient, do) -> None:
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(client.serve())
        await asyncio.sleep(0)
        try:
            await client.connect()
            await do()
        finally:
            serving.cancel()
            await client.close()


def test_a_chip_that_refuses_is_named(tmp_path):
    client = guard_of(NoCompliance, tmp_path / "s")

    async def heat() -> None:
        with pytest.raises(DeviceError, match="chip: the source meter is in compliance"):
            await client.ramp_to(400.0, 100.0)

    asyncio.run(with_guard(client, heat))
    assert "Traceback" in (tmp_path / "s" / "guard.log").read_text()


def test_a_controller_whose_event_loop_hangs_finds_its_chip_cold(tmp_path):
    client = guard_of(StaysWarm, tmp_path / "s")

    async def hang() -> None:
        assert (await client.read()).temperature_c == WARM_C
        began = time.monotonic()
        while not happened(tmp_path / "s" / "guard.jsonl", "made_safe"):
            assert time.monotonic() - began < 30.0, "nobody made the chip safe"
            time.sleep(0.01)  # noqa: ASYNC251  # it hangs
        assert time.monotonic() - began > HANG_LIMIT_S
        with pytest.raises(InterlockTripped, match="no heartbeat"):
            await client.read()

    asyncio.run(with_guard(client, hang))
    (safe,) = happened(tmp_path / "s" / "guard.jsonl", "made_safe")
    assert safe["temperature_c"] == WARM_C
    assert HEARTBEAT_LIMIT_S < safe["since_heartbeat_s"] < HEARTBEAT_LIMIT_S + 1.5
    assert happened(tmp_path / "s" / "guard.jsonl", "cold")
