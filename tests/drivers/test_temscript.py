"""temscript's own client and server, with the twin's microscope behind them: what is asked is what is done."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from drivers.clock import WallClock
from drivers.device_thread import DeviceThread, MicroscopeInThread
from drivers.errors import DeviceError
from drivers.interfaces import DriverContext, ScanSettings, StagePosition
from drivers.temscript import TemscriptMicroscope
from simulators.servers.temscript import TemscriptServer

FIELD_NM_AT_1X = 1e8
STILL = {
    "voxels_across": 36.0,
    "jitter_nm": 0.0,
    "drift_nm_per_sqrt_s": 0.0,
    "tilt_error_deg": 0.0,
    "tilt_speed_deg_per_s": 100.0,
}
SCAN = ScanSettings(pixel_nm=1.6, shape=(128, 128), dwell_s=1e-6)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def served(tmp_path, main: Callable[[MicroscopeInThread, Callable[[], TemscriptServer]], Awaitable[object]], **options):
    """Run a coroutine with a driver, in its thread, and a way to make servers for it."""

    async def whole() -> None:
        port, context = free_port(), DriverContext(WallClock(), 1, tmp_path)

        def server() -> TemscriptServer:
            particles = [{"specimen": "NC2", "x_nm": 0.0}]
            return TemscriptServer("t", context, particles, FIELD_NM_AT_1X, port=port, current_pa=500.0, twin=STILL)

        given: dict[str, Any] = {"field_nm_at_1x": FIELD_NM_AT_1X, "host": "127.0.0.1", "timeout_s": 5.0} | options
        thread = DeviceThread("microscope")
        microscope = MicroscopeInThread(TemscriptMicroscope("microscope", context, port=port, **given), thread)
        try:
            await main(microscope, server)
        finally:
            await thread.close()

    asyncio.run(whole())


async def with_server(server: TemscriptServer, main: Callable[[], Awaitable[object]]) -> None:
    serving = asyncio.create_task(server.serve())
    try:
        for _ in range(1200):
            if await listens(server):
                break
            await asyncio.sleep(0.05)
        await main()
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def listens(server: TemscriptServer) -> bool:
    try:
        _, writer = await asyncio.open_connection(*server._address)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def middle_nm(image, pixel_nm: float) -> np.ndarray:
    """Of what is bright, (y, x) from the image's middle."""
    bright = np.clip(image.astype(float) - np.percentile(image, 60), 0.0, None)
    return (np.array(ndimage.center_of_mass(bright)) - (np.array(image.shape) - 1) / 2) * pixel_nm


def test_stage_shift_and_beam_do_what_the_protocol_says(tmp_path):
    async def main(microscope: MicroscopeInThread, server) -> None:
        async def looks() -> None:
            await microscope.connect()
            assert microscope.simulated
            await microscope.move_to(StagePosition())
            await microscope.set_beam_blank(False)
            at_first = await microscope.scan(SCAN)
            assert at_first.image.shape == SCAN.shape
            assert (at_first.detector, at_first.beam_kev, at_first.rotation_deg) == ("HAADF", 300.0, 0.0)
            start_nm = middle_nm(at_first.image, SCAN.pixel_nm)
            await microscope.move_to(StagePosition(x_nm=24.0))
            moved = await microscope.scan(SCAN)
            assert moved.stage.x_nm == pytest.approx(24.0)
            assert middle_nm(moved.image, SCAN.pixel_nm) - start_nm == pytest.approx([0.0, 24.0], abs=1.0)
            await microscope.shift_image(16.0, -24.0)
            shifted = await microscope.scan(SCAN)
            assert shifted.image_shift_nm == (16.0, -24.0)
            assert middle_nm(shifted.image, SCAN.pixel_nm) - start_nm == pytest.approx([16.0, 0.0], abs=1.0)
            finer = await microscope.scan(replace(SCAN, pixel_nm=0.8, shape=(256, 256)))
            assert middle_nm(finer.image, 0.8) - start_nm == pytest.approx([16.0, 0.0], abs=1.0)
            await microscope.move_to(StagePosition(x_nm=24.0, tilt_deg=35.0))
            assert (await microscope.read_stage()).tilt_deg == pytest.approx(35.0)
            await microscope.make_safe()
            dark = await microscope.scan(SCAN)
            assert dark.image.std() < 0.2 * shifted.image.std()
            await microscope.close()

        await with_server(server(), looks)

    served(tmp_path, main)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"detector": "BF-S"}, "no STEM detector 'BF-S'; it has: HAADF"),
        ({"tilt_range_deg": (-80.0, 80.0)}, "its stage allows -75.0 to 75.0 deg"),
    ],
)
def test_what_the_microscope_does_not_have_is_told_when_it_is_connected(tmp_path, options, words):
    async def main(microscope: MicroscopeInThread, server) -> None:
        async def looks() -> None:
            with pytest.raises(DeviceError, match=words):
                await microscope.connect()

        await with_server(server(), looks)

    served(tmp_path, main, **options)


def test_what_cannot_be_had_is_refused_and_never_clamped(tmp_path):
    async def main(microscope: MicroscopeInThread, server) -> None:
        async def looks() -> None:
            await microscope.connect()
            with pytest.raises(DeviceError, match="images are squares of 64, 128"):
                await microscope.scan(replace(SCAN, shape=(100, 100)))
            with pytest.raises(DeviceError, match="lower the tilt range"):
                await microscope.move_to(StagePosition(tilt_deg=74.0))
            with pytest.raises(DeviceError, match="cannot focus a probe"):
                await microscope.set_defocus(100.0)
            with pytest.raises(DeviceError, match="stepped"):
                async for _ in microscope.sweep(SCAN, 10.0, 1.0):
                    pass
            await microscope.close()

        await with_server(server(), looks)

    served(tmp_path, main)


def test_a_server_that_was_gone_is_used_again_when_it_is_back(tmp_path):
    """The package's own client is dead after its first failure."""

    async def main(microscope: MicroscopeInThread, server) -> None:
        async def connects() -> None:
            await microscope.connect()

        async def scans() -> None:
            await microscope.set_beam_blank(False)
            assert (await microscope.scan(SCAN)).image.shape == SCAN.shape
            await microscope.close()

        await with_server(server(), connects)
        with pytest.raises(DeviceError, match="asked to blank the beam, temscript at"):
            await microscope.make_safe()
        await with_server(server(), scans)

    served(tmp_path, main)
