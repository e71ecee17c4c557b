"""Instruments behind a device host: the same frames and readings, and words when the other side does not do."""

import asyncio
import math
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest

from drivers.errors import ConfigError, DeviceError, DeviceTimeout, LimitExceeded
from drivers.far_clock import FarClock
from drivers.interfaces import EdxSettings, ScanSettings, StagePosition
from drivers.key_file import make_keys
from drivers.remote import RemoteChip, RemoteEdx, RemoteMicroscope
from simulators.bare_microscope import BareMicroscope
from tests.drivers.device_hosts import FAR, context, said
from tests.drivers.far_drivers import photons_of_frame

BARE, CHIP = "simulators.bare_microscope:BareMicroscope", "simulators.chip:SimulatedChip"
SETTINGS = ScanSettings(0.5, (64, 48), 1e-6)
RANGE = (-30.0, 30.0)


def far_microscope(address, tmp_path, **options):
    return RemoteMicroscope("microscope", context(tmp_path), address, **({"tilt_range_deg": RANGE} | options))


def plain(name: str, tmp_path, **options) -> tuple[str, dict]:
    return f"{FAR}:{name}", {"said": str(tmp_path / "said")} | options


async def seen_by(microscope) -> list:
    await microscope.connect()
    await microscope.set_beam_blank(False)
    await microscope.shift_image(1.0, -2.0)
    scans = [await microscope.scan(SETTINGS) for _ in range(3)]
    await microscope.move_to(StagePosition(1.0, 2.0, 3.0, -0.2))
    async with aclosing(microscope.sweep(SETTINGS, 0.2, 40.0)) as frames:
        scans += [scan async for scan in frames][:2]
    await microscope.close()
    return scans


def test_frames_arrive_as_they_are(host, tmp_path):
    microscope = far_microscope(host((BARE, {})).address, tmp_path)
    far = asyncio.run(seen_by(microscope))
    near = asyncio.run(seen_by(BareMicroscope("microscope", context(tmp_path))))
    for there, here in zip(far, near, strict=True):
        assert there.image.dtype == here.image.dtype
        np.testing.assert_array_equal(there.image, here.image)
        tilts = there.stage.tilt_deg, here.stage.tilt_deg
        same = replace(there, image=here.image, time_s=here.time_s, stage=here.stage)
        assert same == here
        assert tilts[0] == pytest.approx(tilts[1], abs=1.0)  # by each side's own clock


def test_photons_arrive_as_they_are_and_no_frame_is_scanned_that_nobody_asked_for(host, tmp_path):
    column = host(plain("PlainMicroscope", tmp_path), plain("PlainEdx", tmp_path))

    async def mapped() -> list:
        detector = RemoteEdx("edx", context(tmp_path), column.address)
        await detector.connect()
        far = []
        async with aclosing(detector.map_frames(EdxSettings(ScanSettings(2.0, (32, 32)), 100))) as frames:
            async for scan in frames:
                far.append(scan)
                if len(far) == 3:
                    break
        await detector.close()
        return far

    far = asyncio.run(mapped())
    for frame, scan in enumerate(far):
        np.testing.assert_array_equal(scan.x_rays.photons, photons_of_frame(frame))
        told = scan.x_rays.channels, scan.x_rays.channel_ev, scan.x_rays.offset_ev, scan.x_rays.live_s
        assert told == (1024, 10.0, -5.0, 0.5)
        assert scan.image.dtype == ">u2"
        assert scan.image[31, 31] == 1023
    assert len(said(tmp_path / "said", "frame")) == 3
    assert said(tmp_path / "said", "over")


def test_a_ramp_bears_readings_beside_it_and_ends_when_the_chip_is_made_safe(host, tmp_path):
    chip = RemoteChip("chip", context(tmp_path), host((CHIP, {})).address)

    async def heat() -> None:
        assert not chip.simulated
        await chip.connect()
        assert chip.simulated
        await chip.ramp_to(300.0, 2000.0)
        assert (await chip.read()).temperature_c == pytest.approx(300.0, abs=2.0)
        ramp = asyncio.create_task(chip.ramp_to(400.0, 20.0))
        readings = [await chip.read() for _ in range(50)]
        assert not ramp.done()
        await chip.make_safe()
        with pytest.raises(DeviceError, match="made safe"):
            await ramp
        times = [reading.time_s for reading in readings]
        assert times == sorted(times)
        assert {reading.stamped_by for reading in readings} == {"device"}
        await asyncio.sleep(1.5)
        assert (await chip.read()).temperature_c < 60.0
        await chip.close()

    asyncio.run(heat())


def test_a_ramp_that_is_given_up_is_given_up_over_there(host, tmp_path):
    chip = RemoteChip("chip", context(tmp_path), host((CHIP, {})).address)

    async def heat() -> None:
        await chip.connect()
        ramp = asyncio.create_task(chip.ramp_to(500.0, 100.0))
        await asyncio.sleep(0.3)
        ramp.cancel()
        await asyncio.wait([ramp])
        await chip.quench()
        await asyncio.sleep(1.5)
        assert (await chip.read()).temperature_c < 60.0
        await chip.close()

    asyncio.run(heat())


def test_readings_are_on_the_sessions_clock(host, tmp_path):
    here = context(tmp_path)
    chip = RemoteChip("chip", here, host((CHIP, {})).address)

    async def read() -> None:
        await chip.connect()
        assert 0.0 < chip.time_error_s < 0.1
        for _ in range(20):
            asked_s = here.clock.now()
            time_s = (await chip.read()).time_s
            assert asked_s - chip.time_error_s <= time_s <= here.clock.now()
        await chip.close()

    asyncio.run(read())


@pytest.mark.parametrize("seed", range(20))
def test_the_offset_of_a_clock_is_wrong_by_half_a_round_trip_at_most(seed):
    rng = np.random.default_rng(seed)
    clock, now_s, offset_s = FarClock(), 100.0, rng.uniform(-1e6, 1e6)
    for _ in range(30):
        there_s, back_s = rng.exponential(0.05, 2)
        clock.add(now_s, now_s + there_s - offset_s, now_s + there_s + back_s)
        now_s += there_s + back_s + 0.2
        error_s = clock.error_s(now_s)
        assert abs(clock.session_s(now_s - 0.01 - offset_s, now_s) - (now_s - 0.01)) <= error_s
    assert clock.session_s(now_s - 1.0 - offset_s, now_s) >= now_s - 0.05 - error_s, "never before an earlier time"


def test_a_plain_driver_is_read_while_it_blocks(host, tmp_path):
    chip = RemoteChip("chip", context(tmp_path), host(plain("PlainChip", tmp_path, ramp_s=1.5)).address)

    async def heat() -> None:
        await chip.connect()
        ramp = asyncio.create_task(chip.ramp_to(300.0, 100.0))
        while not said(tmp_path / "said", "ramp"):
            reading = await chip.read()
        reading = await chip.read()
        assert reading.setpoint_c in (25.0, 300.0)
        assert not ramp.done()
        assert reading.power_mw is None
        assert chip.abilities.period_s == 0.3
        await chip.make_safe()
        assert not ramp.done()
        await asyncio.wait([ramp])
        ramp.exception()
        with pytest.raises(LimitExceeded, match="the instrument ends at 900 C"):
            await chip.ramp_to(1000.0, 100.0)
        await chip.close()

    asyncio.run(heat())
    assert said(tmp_path / "said", "closed")


def test_errors_of_a_far_driver_are_told_in_words(host, tmp_path):
    chip_host = host(plain("PlainChip", tmp_path, compliance=True), plain("ForgetsThePixelSize", tmp_path))
    here = f"127.0.0.1:{chip_host.address.rpartition(':')[2]}"

    async def ask() -> None:
        chip = RemoteChip("chip", context(tmp_path), chip_host.address)
        able = {"sweeps": False, "interrupts": False, "shapes": [[64, 64]]}
        microscope = far_microscope(chip_host.address, tmp_path, abilities=able)
        await chip.connect()
        await microscope.connect()
        with pytest.raises(
            DeviceError, match=f"chip: the driver on {here} said: OSError: the source meter is in compl"
        ):
            await chip.ramp_to(300.0, 100.0)
        with pytest.raises(DeviceError, match="its scan tells no pixel_nm"):
            await microscope.scan(SETTINGS)
        with pytest.raises(DeviceError, match=f"the driver on {here} said: AttributeError.*sweep"):
            await anext(microscope.sweep(SETTINGS, 10.0, 1.0))
        await chip.close()
        await microscope.close()

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tilt_range_deg": [-70.0, 70.0]}, r"write tilt_range_deg = \[-30, 30\]"),
        (
            {},
            r"write abilities.sweeps = false, write abilities.interrupts = false, write abilities.shapes = \[\[64, 64",
        ),
        ({"abilities": {"sweeps": False, "interrupts": False, "shapes": [[32, 32]]}}, "abilities.shapes"),
    ],
)
def test_a_far_microscope_must_be_as_the_session_was_checked_against(host, tmp_path, options, words):
    microscope = far_microscope(host(plain("PlainMicroscope", tmp_path)).address, tmp_path, **options)
    with pytest.raises(DeviceError, match=words):
        asyncio.run(microscope.connect())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"address": "tcp://10.0.0.7:5560"}, "name the operator.key"),
        ({"address": "heater-pc"}, "write tcp://HOST:PORT"),
        ({"abilities": {"tilts": True}}, "no 'tilts'; there are blanks"),
        ({"tilt_range_deg": [30.0, -30.0]}, "is no range"),
        ({"tilt_range_deg": 70.0}, r"tilt_range_deg is \[low, high\]"),
        ({"silence_s": 0.0}, "above 0 s"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_built(tmp_path, options, words):
    with pytest.raises(ConfigError, match=words):
        far_microscope(**({"address": "tcp://127.0.0.1:1", "tmp_path": tmp_path} | options))


def test_a_device_that_a_session_holds_is_not_had_by_another(host, tmp_path, monkeypatch):
    address = host((CHIP, {})).address

    async def both() -> None:
        first = RemoteChip("chip", context(tmp_path), address)
        await first.connect()
        monkeypatch.setattr("os.getpid", lambda: 4711)
        second = RemoteChip("chip", context(tmp_path), address)
        with pytest.raises(DeviceError, match=r"the chip is held by .* end that session first"):
            await second.connect()
        assert (await second.read()).temperature_c < 60.0
        await second.make_safe()
        await first.close()
        await second.connect()
        await second.close()

    asyncio.run(both())


def test_keys_open_a_host_and_wrong_ones_are_told_within_three_seconds(host, tmp_path):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    make_keys(right)
    make_keys(wrong)
    locked = host((CHIP, {}), arguments=(f"--key={right / 'session.key'}",))

    async def read(key) -> float:
        chip = RemoteChip("chip", context(tmp_path), locked.address, key=str(key))
        try:
            await chip.connect()
            return (await chip.read()).temperature_c
        finally:
            await chip.close()

    async def told(key) -> str:
        async with asyncio.timeout(4.0):
            with pytest.raises(ConfigError) as error:
                await read(key)
        return str(error.value)

    assert math.isfinite(asyncio.run(read(right / "operator.key")))
    assert "this key does not open" in asyncio.run(told(wrong / "operator.key"))
    assert "this key does not open" in asyncio.run(told(right / "observer.key"))


def test_nobody_there_is_told_in_a_sentence(tmp_path):
    chip = RemoteChip("chip", context(tmp_path), "tcp://127.0.0.1:1", silence_s=0.5)

    async def connect() -> None:
        with pytest.raises(DeviceTimeout, match=r"was not reached within 0\.5 s; is there an alloyscope device-host"):
            await chip.connect()
        await chip.close()

    asyncio.run(connect())
