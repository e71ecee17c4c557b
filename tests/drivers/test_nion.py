"""Nion's simulated STEM, in an environment of its own, through the device host."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from skimage.registration import phase_cross_correlation

from drivers.errors import DeviceError
from drivers.interfaces import ScanSettings, StagePosition
from drivers.remote import RemoteMicroscope
from tests.drivers.device_hosts import context

DRIVER = Path(__file__).parents[2] / "examples" / "device_host" / "nion_usim.py"
SETTINGS = ScanSettings(0.8, (128, 128), 1e-6)
ABLE = {"sweeps": False, "interrupts": False, "blanks": False, "defocuses": False}


@pytest.fixture
def nion() -> str:
    """Python of an environment that holds nionswift-usim and pyzmq."""
    python = os.environ.get("ALLOYSCOPE_NION_PYTHON")
    if not python:
        pytest.skip("no Nion environment: set ALLOYSCOPE_NION_PYTHON to a python with nionswift-usim and pyzmq")
    found = subprocess.run([python, "-c", "import nion.usim_device, zmq"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"{python} (ALLOYSCOPE_NION_PYTHON) has no nionswift-usim, or no pyzmq: {found.stderr[-200:]}")
    return python


def moved_px(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """How far the content has moved, (y, x)."""
    shift, _, _ = phase_cross_correlation(after, before, upsample_factor=10)
    return float(shift[0]), float(shift[1])


def test_twenty_frames_with_the_right_signs(host, nion, tmp_path):
    far = host((str(DRIVER) + ":NionUsim", {}), python=nion)
    microscope = RemoteMicroscope("microscope", context(tmp_path), far.address, [0, 0], abilities=ABLE)

    async def look() -> None:
        await microscope.connect()
        assert microscope.simulated
        began_s = time.monotonic()
        scans = [await microscope.scan(SETTINGS) for _ in range(20)]
        took_s = time.monotonic() - began_s
        first = scans[0]
        assert len({scan.image.tobytes() for scan in scans}) == 20, "each has its own noise"
        assert first.image.shape == (128, 128)
        assert (first.pixel_nm, first.beam_kev) == (0.8, 100.0)
        assert first.current_pa == pytest.approx(200.0)
        await microscope.move_to(StagePosition(x_nm=8.0))
        at = await microscope.scan(SETTINGS)
        assert at.stage.x_nm == pytest.approx(8.0)
        by_stage = moved_px(first.image, at.image)
        await microscope.move_to(StagePosition())
        await microscope.shift_image(4.0, -8.0)
        shifted = await microscope.scan(SETTINGS)
        by_shift = moved_px(first.image, shifted.image)
        print(f"20 frames in {took_s:.2f} s; stage +8 nm: {by_stage} px; image shift (4, -8) nm: {by_shift} px")
        assert by_stage == pytest.approx((0.0, 10.0), abs=0.5)
        assert by_shift == pytest.approx((5.0, -10.0), abs=0.5)
        assert shifted.image_shift_nm == (4.0, -8.0)
        with pytest.raises(DeviceError, match="this stage moves in x and y only"):
            await microscope.move_to(StagePosition(tilt_deg=10.0))
        await microscope.close()

    asyncio.run(look())
    assert far.end() == 0


def test_nothing_of_nion_is_imported_here():
    """It is under the GPL, this program is not."""
    code = (
        "import sys, drivers.remote, drivers.device_host.__main__; print([m for m in sys.modules if m[:5] == 'nion.'])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
