import hashlib
from pathlib import Path

import numpy as np
import pytest

from drivers.clock import SteppedClock
from drivers.errors import DeviceError
from drivers.interfaces import DriverContext, ScanSettings, StagePosition
from simulators.microscope import SimulatedMicroscope

SETTINGS = ScanSettings(2.0, (48, 48))
STILL = {"tilt_error_deg": 0.0, "jitter_nm": 0.0, "drift_nm_per_sqrt_s": 0.0, "height_change_nm": 0.0}


def microscope(clock: SteppedClock, folder: Path, seed: int = 1, **options: object) -> SimulatedMicroscope:
    chosen = {"particles": [{"specimen": "NC2"}], "voxels_across": 30.0, "current_pa": 2000.0} | options
    return SimulatedMicroscope("microscope", DriverContext(clock, seed, folder), **chosen)  # type: ignore[arg-type]  # as TOML gives them


def centre_nm(image: np.ndarray) -> tuple[float, float]:
    weight = np.where(image > 0.3 * image.max(), image.astype(float) - 420.0, 0.0)
    y, x = np.indices(image.shape)
    return tuple(2.0 * (float((weight * a).sum() / weight.sum()) - 23.5) for a in (y, x))


def test_the_sign_of_every_shift(stepped, tmp_path: Path):
    async def main(clock: SteppedClock) -> None:
        scope = microscope(clock, tmp_path, **STILL)
        await scope.connect()
        await scope.set_beam_blank(False)
        at_rest = centre_nm((await scope.scan(SETTINGS)).image)
        assert at_rest == pytest.approx((0.0, 0.0), abs=0.5)
        await scope.move_to(StagePosition(x_nm=8.0, y_nm=-5.0))
        assert centre_nm((await scope.scan(SETTINGS)).image) == pytest.approx((-5.0, 8.0), abs=0.5)
        await scope.move_to(StagePosition())
        await scope.shift_image(6.0, -4.0)
        assert centre_nm((await scope.scan(SETTINGS)).image) == pytest.approx((6.0, -4.0), abs=0.5)
        # Farther off than the field is wide, and brought back.
        await scope.move_to(StagePosition(y_nm=-200.0))
        await scope.shift_image(200.0, 0.0)
        assert centre_nm((await scope.scan(SETTINGS)).image) == pytest.approx((0.0, 0.0), abs=0.5)
        await scope.shift_image(0.0, 0.0)
        await scope.move_to(StagePosition(z_nm=10.0, tilt_deg=40.0))
        assert centre_nm((await scope.scan(SETTINGS)).image)[0] == pytest.approx(10.0 * np.sin(np.radians(40)), abs=0.6)
        await scope.move_to(StagePosition(z_nm=10.0, tilt_deg=-40.0))
        assert centre_nm((await scope.scan(SETTINGS)).image)[0] == pytest.approx(
            -10.0 * np.sin(np.radians(40)), abs=0.6
        )

    stepped(main)


def test_one_seed_gives_the_same_bytes_and_another_does_not(stepped, tmp_path: Path):
    def digest(seed: int, folder: str) -> str:
        async def main(clock: SteppedClock) -> str:
            scope = microscope(clock, tmp_path / folder, seed)
            await scope.connect()
            await scope.set_beam_blank(False)
            out = hashlib.sha256()
            for tilt in (-30.0, 0.0, 30.0):
                await scope.move_to(StagePosition(tilt_deg=tilt))
                out.update((await scope.scan(SETTINGS)).image.tobytes())
            return out.hexdigest()

        return stepped(main)

    assert digest(5, "a") == digest(5, "b")
    assert digest(5, "c") != digest(6, "d")


def test_scattering_is_conserved_under_tilt_and_counts_are_poisson(stepped, tmp_path: Path):
    async def main(clock: SteppedClock) -> None:
        scope = microscope(clock, tmp_path, **STILL, read_noise=0.0, current_pa=400.0)
        await scope.connect()
        await scope.set_beam_blank(False)
        wide = ScanSettings(1.5, (128, 128))
        sums = []
        for tilt in (-60.0, 0.0, 25.0, 70.0):
            await scope.move_to(StagePosition(tilt_deg=tilt))
            sums.append(float((await scope.scan(wide)).image.astype(float).sum()) - 420.0 * 128 * 128)
        assert np.ptp(sums) / np.mean(sums) < 0.01
        await scope.move_to(StagePosition())
        repeats = np.stack([(await scope.scan(wide)).image.astype(float) - 420.0 for _ in range(60)])
        bright = repeats.mean(axis=0) > 0.5 * repeats.mean(axis=0).max()
        ratio = repeats.var(axis=0, ddof=1)[bright] / repeats.mean(axis=0)[bright]
        assert ratio.mean() == pytest.approx(12.0, rel=0.1)

    stepped(main)


def test_a_blanked_beam_gives_no_dose_and_the_holder_has_an_end(stepped, tmp_path: Path):
    async def main(clock: SteppedClock) -> None:
        scope = microscope(clock, tmp_path)
        await scope.connect()
        scan = await scope.scan(SETTINGS)
        assert scan.electrons_per_nm2 == 0.0
        assert scan.image.mean() == pytest.approx(420.0, abs=1.0)
        with pytest.raises(DeviceError, match="holder"):
            await scope.move_to(StagePosition(tilt_deg=80.0))

    stepped(main)
