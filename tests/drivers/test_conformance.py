"""Our own drivers pass what every driver must; and drivers that are wrong in one way each are found out."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from drivers.clock import SteppedClock
from drivers.conformance.check import Bench, NotApplicable
from drivers.conformance.chip import CHIP_CHECKS
from drivers.conformance.microscope import MICROSCOPE_CHECKS
from drivers.interfaces import DriverContext, HeaterReading, Scan, ScanSettings, StagePosition
from simulators.bare_microscope import BareMicroscope
from simulators.chip import SimulatedChip
from simulators.microscope import SimulatedMicroscope

PARTICLES = [{"specimen": "NC2"}]


def seeing(name, context) -> SimulatedMicroscope:
    return SimulatedMicroscope(name, context, PARTICLES, voxels_across=24.0, current_pa=500.0)


def tried(check, make, folder) -> None:
    """One check on the stepped clock."""
    clock = SteppedClock()
    clock.run(check.on(Bench(make, DriverContext(clock, 1, folder))))


@pytest.mark.parametrize("check", CHIP_CHECKS, ids=lambda c: c.name)
def test_the_simulated_chip_conforms(check, tmp_path):
    tried(check, lambda context: SimulatedChip("chip", context), tmp_path)


@pytest.mark.parametrize("check", MICROSCOPE_CHECKS, ids=lambda c: c.name)
def test_the_simulated_microscope_conforms(check, tmp_path):
    tried(check, lambda context: seeing("microscope", context), tmp_path)


@pytest.mark.parametrize("check", MICROSCOPE_CHECKS, ids=lambda c: c.name)
def test_the_bare_microscope_conforms_as_far_as_it_shows_anything(check, tmp_path):
    with suppress(NotApplicable):
        tried(check, lambda context: BareMicroscope("microscope", context), tmp_path)


class Kelvin(SimulatedChip):
    async def read(self) -> HeaterReading:
        reading = await super().read()
        return replace(reading, temperature_c=reading.temperature_c + 273.15)


class Watts(SimulatedChip):
    async def read(self) -> HeaterReading:
        reading = await super().read()
        return replace(reading, power_mw=1e-3 * (reading.power_mw or 0.0))


class NoLimits(SimulatedChip):
    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        await super().ramp_to(min(max(target_c, 100.0), 200.0), max(rate_c_per_s, 100.0))


class Slow(SimulatedChip):
    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        await super().ramp_to(target_c, 0.2 * rate_c_per_s)


class DeadQuench(SimulatedChip):
    async def quench(self) -> None:
        """Nothing."""


class SafeOnlyAtRest(SimulatedChip):
    async def make_safe(self) -> None:
        if (await self.read()).temperature_c < 60.0:
            await super().make_safe()


class OldReading(SimulatedChip):
    old = None

    async def read(self) -> HeaterReading:
        self.old = self.old or await super().read()
        return self.old


class OwnClock(SimulatedChip):
    async def read(self) -> HeaterReading:
        reading = await super().read()
        return replace(reading, time_s=reading.time_s + 3600.0)


class StaysHot(SimulatedChip):
    async def close(self) -> None:
        """Leaves it as it is."""


class ClosesOnce(SimulatedChip):
    closed = False

    async def close(self) -> None:
        assert not self.closed, "the port is closed"
        self.closed = True
        await super().close()


class Deaf(SimulatedChip):
    """Will not be cancelled, and goes on ramping."""

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        await asyncio.shield(asyncio.ensure_future(super().ramp_to(target_c, rate_c_per_s)))

    async def quench(self) -> None:
        await self._clock.sleep(5.0)
        await super().quench()


WRONG_CHIPS = [
    Kelvin,
    Watts,
    NoLimits,
    Slow,
    DeadQuench,
    SafeOnlyAtRest,
    OldReading,
    OwnClock,
    StaysHot,
    ClosesOnce,
    Deaf,
]


@pytest.mark.parametrize("wrong", WRONG_CHIPS)
def test_a_chip_that_is_wrong_is_found_out(wrong, tmp_path):
    assert failures(CHIP_CHECKS, lambda context: wrong("chip", context), tmp_path)


class Mirrored(SimulatedMicroscope):
    async def scan(self, settings: ScanSettings) -> Scan:
        scan = await super().scan(settings)
        return replace(scan, image=scan.image[:, ::-1])


class Shifted(SimulatedMicroscope):
    async def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        await super().shift_image(-dy_nm, -dx_nm)


class Clamps(SimulatedMicroscope):
    async def move_to(self, position: StagePosition) -> None:
        await super().move_to(replace(position, tilt_deg=float(np.clip(position.tilt_deg, -75.0, 75.0))))


class Radians(SimulatedMicroscope):
    async def read_stage(self) -> StagePosition:
        at = await super().read_stage()
        return replace(at, tilt_deg=float(np.radians(at.tilt_deg)))


class SameFrame(SimulatedMicroscope):
    kept = None

    async def scan(self, settings: ScanSettings) -> Scan:
        self.kept = self.kept or await super().scan(settings)
        return self.kept


class OwnShape(SimulatedMicroscope):
    async def scan(self, settings: ScanSettings) -> Scan:
        return await super().scan(replace(settings, shape=(128, 128)))


class StaysBright(SimulatedMicroscope):
    async def make_safe(self) -> None:
        """The beam stays on."""


WRONG_MICROSCOPES = [Mirrored, Shifted, Clamps, Radians, SameFrame, OwnShape, StaysBright]


@pytest.mark.parametrize("wrong", WRONG_MICROSCOPES)
def test_a_microscope_that_is_wrong_is_found_out(wrong, tmp_path):
    def make(context):
        return wrong("microscope", context, PARTICLES, voxels_across=24.0, current_pa=500.0)

    assert failures(MICROSCOPE_CHECKS, make, tmp_path)


def failures(checks, make, folder) -> list[str]:
    found = []
    for number, check in enumerate(checks):
        try:
            tried(check, make, folder / str(number))
        except NotApplicable:
            continue
        except Exception as error:  # noqa: BLE001  # what a wrong driver raises is found out as well
            found.append(f"{check.name}: {error}")
    return found


def test_the_plug_in_makes_a_test_of_each_check(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "from simulators.chip import SimulatedChip\n"
        "from drivers.interfaces import DriverContext\n"
        "from drivers.clock import WallClock\n"
        "def test_my_chip(chip_check, tmp_path):\n"
        "    chip_check(lambda context: SimulatedChip('chip', context), DriverContext(WallClock(), 1, tmp_path))\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--basetemp",
            tmp_path / "temporary",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
    )
    assert f"{len(CHIP_CHECKS)} passed" in done.stdout, done.stdout + done.stderr
