"""The AutoScript driver on a stand-in of the vendor's package: what is asked is done, and the stage is stopped."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from drivers.autoscript import AutoscriptMicroscope
from drivers.clock import WallClock
from drivers.conformance.check import Bench, Check
from drivers.conformance.microscope import MICROSCOPE_CHECKS
from drivers.device_thread import DeviceThread, MicroscopeInThread
from drivers.errors import DeviceError
from drivers.interfaces import DriverContext, ScanSettings, StagePosition
from drivers.registry import check_options
from tests.drivers.autoscript_stand_in import Column, modules

SCAN = ScanSettings(pixel_nm=1.6, shape=(128, 128), dwell_s=3e-6)
TURN_DEG = 30.0


@pytest.fixture
def column(tmp_path, monkeypatch) -> Iterator[Column]:
    made = Column(tmp_path, beam_shift_rotation_deg=TURN_DEG)
    for name, module in modules(made).items():
        monkeypatch.setitem(sys.modules, name, module)
    yield made
    made.end()


def driven(
    tmp_path, main: Callable[[MicroscopeInThread], Awaitable[object]], *, connected: bool = True, **options: Any
) -> None:
    """Run a coroutine with a driver in its thread, as a session has it."""

    async def whole() -> None:
        context = DriverContext(WallClock(), 1, tmp_path)
        thread = DeviceThread("microscope")
        driver = AutoscriptMicroscope("microscope", context, **{"beam_shift_rotation_deg": TURN_DEG, **options})
        microscope = MicroscopeInThread(driver, thread)
        try:
            if connected:
                await microscope.connect()
            await main(microscope)
        finally:
            await thread.close()

    asyncio.run(whole())


def middle_nm(image: np.ndarray) -> np.ndarray:
    """Of what is bright, (y, x) from the image's middle."""
    bright = np.clip(image.astype(float) - np.percentile(image, 60), 0.0, None)
    return (np.array(ndimage.center_of_mass(bright)) - (np.array(image.shape) - 1) / 2) * SCAN.pixel_nm


@pytest.mark.parametrize("check", MICROSCOPE_CHECKS, ids=lambda c: c.name)
def test_conforms(check: Check[Any], column, tmp_path):
    """One that does not apply raises, and fails here: all of them do."""

    async def main() -> None:
        thread = DeviceThread("driver on trial")

        def make(context: DriverContext) -> MicroscopeInThread:
            return MicroscopeInThread(AutoscriptMicroscope("microscope", context, TURN_DEG), thread)

        try:
            await check.on(Bench(make, DriverContext(WallClock(), 1, tmp_path)))
        finally:
            await thread.close()

    asyncio.run(main())
    assert column.blanked
    assert column.jogs is None


def test_without_the_vendors_package_a_sentence_says_where_it_comes_from(tmp_path):
    async def main(microscope: MicroscopeInThread) -> None:
        with pytest.raises(
            DeviceError, match=r"comes with Thermo Fisher's AutoScript TEM only \(No module.*\); install"
        ):
            await microscope.connect()
        with pytest.raises(DeviceError, match="not connected"):
            await microscope.read_stage()
        await microscope.close()

    assert "autoscript_tem_microscope_client" not in sys.modules
    driven(tmp_path, main, connected=False)
    assert check_options("microscope", "drivers.autoscript:AutoscriptMicroscope", {"host": "tem"}) == []


def test_shifts_are_turned_onto_the_image_and_what_is_read_back_is_told(column, tmp_path):
    async def main(microscope: MicroscopeInThread) -> None:
        await microscope.set_beam_blank(False)
        await microscope.set_defocus(20.0)
        first = await microscope.scan(SCAN)
        assert column.defocus_m == pytest.approx(20e-9)
        assert (first.detector, first.beam_kev, first.swept_deg) == ("HAADF", 300.0, 0.0)
        assert (first.pixel_nm, first.rotation_deg, first.defocus_nm) == pytest.approx((1.6, 1.0, 20.0))
        assert column.field_m == pytest.approx(128 * 1.6e-9)
        await microscope.shift_image(16.0, -24.0)
        shifted = await microscope.scan(SCAN)
        assert shifted.image_shift_nm == (16.0, -24.0)
        assert middle_nm(shifted.image) - middle_nm(first.image) == pytest.approx([16.0, -24.0], abs=1.0)
        await microscope.shift_beam(16.0, -24.0)
        back = await microscope.scan(SCAN)
        assert middle_nm(back.image) == pytest.approx(middle_nm(first.image), abs=1.0)
        await microscope.move_to(StagePosition(30.0, -20.0, 10.0, 35.0))
        place = column.place
        assert (place.x, place.y, place.z, place.a) == pytest.approx((30e-9, -20e-9, 10e-9, np.radians(35.0)))
        assert (await microscope.read_stage()).tilt_deg == pytest.approx(35.0)
        await microscope.close()
        assert column.calls[-2:] == ["blank", "disconnect"]

    driven(tmp_path, main)


def test_the_beam_shifts_rotation_is_measured_as_its_docstring_says(column, tmp_path):
    async def main(microscope: MicroscopeInThread) -> None:
        await microscope.set_beam_blank(False)
        first = await microscope.scan(SCAN)
        await microscope.shift_image(0.0, 32.0)
        down_nm, right_nm = middle_nm((await microscope.scan(SCAN)).image) - middle_nm(first.image)
        assert np.hypot(down_nm, right_nm) == pytest.approx(32.0, abs=1.0)
        assert np.degrees(np.arctan2(-down_nm, right_nm)) == pytest.approx(TURN_DEG, abs=3.0)

    driven(tmp_path, main, beam_shift_rotation_deg=0.0)


@pytest.mark.parametrize(
    ("habits", "options", "words"),
    [
        ({"optical_mode": "Tem"}, {}, "optical mode 'Tem'; switch it to STEM"),
        ({}, {"detector": "MAADF"}, "no STEM detector 'MAADF'; it has: HAADF, DF, BF"),
        ({}, {"tilt_range_deg": (-80.0, 80.0)}, "its stage allows -75.0 to 75.0 deg; narrow it"),
        ({"unblanks_only": True}, {}, "asked to blank the beam, and has not"),
        ({"refuses": {"connect": 1}}, {}, "asked to connect, AutoScript at localhost:9095 said: connect failed"),
    ],
)
def test_what_is_not_as_it_must_be_is_told_when_it_is_connected(column, tmp_path, habits, options, words):
    vars(column).update(habits)

    async def main(microscope: MicroscopeInThread) -> None:
        with pytest.raises(DeviceError, match=words):
            await microscope.connect()

    driven(tmp_path, main, connected=False, **options)


def test_a_beam_left_on_and_a_stage_left_jogging_are_ended_before_anything_is_refused(column, tmp_path):
    column.blanked, column.jogs, column.optical_mode = False, (0.0, 0.0), "Tem"

    async def main(microscope: MicroscopeInThread) -> None:
        with pytest.raises(DeviceError, match="switch it to STEM"):
            await microscope.connect()

    driven(tmp_path, main, connected=False)
    assert column.blanked
    assert column.jogs is None


def test_what_cannot_be_had_is_refused_and_never_clamped(column, tmp_path):
    async def main(microscope: MicroscopeInThread) -> None:
        with pytest.raises(DeviceError, match="images are squares of 128, 256"):
            await microscope.scan(replace(SCAN, shape=(128, 256)))
        with pytest.raises(DeviceError, match="lower the tilt range"):
            await microscope.move_to(StagePosition(tilt_deg=74.0))
        with pytest.raises(DeviceError, match=r"asked to move to y = 2e\+06, its stage allows -1e\+06 to 1e\+06 nm"):
            await microscope.move_to(StagePosition(y_nm=2e6))
        with pytest.raises(DeviceError, match="asked for a defocus of 60000 nm, it has set 5e"):
            await microscope.set_defocus(60e3)
        with pytest.raises(DeviceError, match="move the stage instead"):
            await microscope.shift_image(0.0, 3000.0)
        for to_deg, rate, words in ((71.0, 2.0, "lower the tilt range"), (5.0, 0.0, "write a rate above 0")):
            with pytest.raises(DeviceError, match=words):
                await anext(microscope.sweep(SCAN, to_deg, rate))
        column.pixels_too_large = 1.02
        with pytest.raises(DeviceError, match=r"asked for pixels of 0.8 nm, its image has 0.816 x 0.816; write that"):
            await microscope.scan(replace(SCAN, pixel_nm=0.8))
        column.pixels_too_large = 1.005
        assert (await microscope.scan(replace(SCAN, pixel_nm=0.8))).pixel_nm == pytest.approx(0.804)
        column.dwells_too_long = 1.1
        with pytest.raises(DeviceError, match=r"asked for 3 us a pixel, it has taken 3.3; write that"):
            await microscope.scan(SCAN)
        column.tells_pixels = False
        with pytest.raises(DeviceError, match="its image does not tell its pixel size"):
            await microscope.scan(SCAN)

    driven(tmp_path, main)
    assert "start_jogging" not in column.calls
    assert "absolute_move" not in column.calls


@pytest.mark.parametrize("to_deg", [5.0, -5.0])
def test_a_sweep_tells_the_tilt_of_each_frame_and_ends_where_it_was_asked_to(column, tmp_path, to_deg):
    async def main(microscope: MicroscopeInThread) -> None:
        way = np.sign(to_deg)
        *moving, last = [scan async for scan in microscope.sweep(SCAN, to_deg, 4.0)]
        assert len(moving) > 3
        assert len(column.true_tilts_deg) == len(moving) + 1, "all that was exposed is told"
        for scan, (began_deg, ended_deg) in zip(moving, column.true_tilts_deg, strict=False):
            assert scan.swept_deg >= abs(ended_deg - began_deg)
            # The exposure is between the two readings.
            assert abs(scan.stage.tilt_deg - 0.5 * (began_deg + ended_deg)) <= 0.5 * scan.swept_deg
            assert way * ended_deg <= way * to_deg, "no frame ends beyond the way"
        tilts_deg = [way * scan.stage.tilt_deg for scan in (*moving, last)]
        assert tilts_deg == sorted(tilts_deg)
        assert (last.stage.tilt_deg, last.swept_deg) == (pytest.approx(to_deg), 0.0)
        assert np.degrees(column.place.a) == pytest.approx(to_deg)
        assert column.calls.count("start_jogging") == column.calls.count("stop_jogging") == 1

    driven(tmp_path, main)


def heard(column: Column, wanted: str) -> threading.Event:
    """Set when the stand-in is called by that name."""
    event, before = threading.Event(), column.called

    def called(name: str) -> None:
        if name == wanted:
            event.set()
        before(name)

    column.called = called
    return event


def stopped_at_once(column: Column) -> None:
    """Where it was, not driven on to the end of the way."""
    assert column.jogs is None
    assert "stop_jogging" in column.calls
    assert "absolute_move" not in column.calls


def test_a_sweep_that_is_closed_or_cancelled_stops_the_stage(column, tmp_path):
    async def main(microscope: MicroscopeInThread) -> None:
        async with aclosing(microscope.sweep(SCAN, 60.0, 2.0)) as sweep:
            await anext(sweep)
            assert column.jogs is not None
        stopped_at_once(column)
        column.calls.clear()

        async def all_of_it() -> None:
            async with aclosing(microscope.sweep(SCAN, 60.0, 2.0)) as scans:
                async for _ in scans:
                    begun.set()

        begun = asyncio.Event()
        task = asyncio.create_task(all_of_it())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stopped_at_once(column)

    driven(tmp_path, main)


def test_a_sweep_that_is_left_while_it_scans_stops_the_stage_when_the_frame_is_over(column, tmp_path):
    """Longer than the thread waits for it."""

    async def main(microscope: MicroscopeInThread) -> None:
        stopped = heard(column, "stop_jogging")
        scanning = heard(column, "acquire_stem_image")
        sweep = microscope.sweep(replace(SCAN, dwell_s=150e-6), 60.0, 2.0)
        task = asyncio.create_task(anext(sweep))
        assert await asyncio.to_thread(scanning.wait, 10.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert column.jogs is not None, "the frame is over before it is left"
        del sweep, task
        assert await asyncio.to_thread(stopped.wait, 10.0)
        await microscope.read_stage()
        stopped_at_once(column)

    driven(tmp_path, main)


@pytest.mark.parametrize(
    ("habits", "words"),
    [
        ({"refuses": {"acquire_stem_image": 1}}, "acquire_stem_image failed"),
        ({"refuses": {"acquire_stem_image": 1, "stop_jogging": 2}}, "acquire_stem_image failed"),
        ({"refuses": {"start_jogging": 1}}, "start_jogging failed"),
        ({"jog_factor": 0.0}, 'had tilted by 0.00 deg instead of .*; write tilt.mode = "stepped"'),
        ({"jog_factor": -1.0}, "had tilted by -.* deg instead of"),
        ({"jog_factor": 57.3}, "asked to tilt at 2 deg/s, after .* s it had tilted by"),
    ],
)
def test_a_sweep_that_fails_stops_the_stage(column, tmp_path, habits, words):
    vars(column).update(habits)

    async def main(microscope: MicroscopeInThread) -> None:
        with pytest.raises(DeviceError, match=words):
            async for _ in microscope.sweep(SCAN, 60.0, 2.0):
                pass

    driven(tmp_path, main)
    stopped_at_once(column)


def test_a_stage_that_does_not_stop_is_said(column, tmp_path):
    async def main(microscope: MicroscopeInThread) -> None:
        sweep = microscope.sweep(SCAN, 60.0, 2.0)
        await anext(sweep)
        column.refuses = {"stop_jogging": 3}
        with pytest.raises(DeviceError, match="its stage may still tilt, stop it by hand"):
            await sweep.aclose()
        await microscope.make_safe()
        stopped_at_once(column)

    driven(tmp_path, main)


def test_a_stage_whose_frames_nobody_fetches_does_not_go_beyond_the_way(column, tmp_path):
    async def main(microscope: MicroscopeInThread) -> None:
        stopped = heard(column, "stop_jogging")
        async with aclosing(microscope.sweep(SCAN, 5.0, 4.0)) as sweep:
            await anext(sweep)
            assert await asyncio.to_thread(stopped.wait, 10.0)
            await microscope.read_stage()
            assert np.degrees(column.tilt_rad()) == pytest.approx(5.0, abs=0.5)
            rest = [scan async for scan in sweep]
        assert [scan.swept_deg for scan in rest] == [0.0]
        assert rest[0].stage.tilt_deg == pytest.approx(5.0)

    driven(tmp_path, main)
