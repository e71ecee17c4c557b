"""The real needle's alignment and reconstruction against other packages' (kept in `peers/`)."""

from pathlib import Path

import numpy as np
import pytest

from analysis.tomography.alignment import Alignment, align, shifted
from analysis.tomography.noise import darkest_level
from analysis.tomography.reconstruction import reconstruct
from analysis.tomography.tilt_axis import find_tilt_axis, turned
from drivers.recorded.tilt_series_file import read_tilt_series

SLICE_X = 128
Aligned = tuple[float, np.ndarray, np.ndarray, Alignment]


@pytest.fixture(scope="module")
def needle(real_data: Path) -> Aligned:
    folder = real_data / "etspy_needle_76"
    series = read_tilt_series(folder / "HAADF.mrc", folder / "HAADF.rawtlt")
    stack, tilts_deg = series.images, series.tilts_deg
    intensity = stack.astype(np.float32) - np.float32(darkest_level(stack))
    axis_deg = find_tilt_axis(intensity, tilts_deg)
    upright = turned(intensity, axis_deg)
    return axis_deg, upright, tilts_deg, align(upright, tilts_deg)


@pytest.fixture(scope="module")
def peers() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parents[1] / "peers" / "needle.npz") as kept:
        return dict(kept)


def test_the_tilt_axis_is_etspys(needle: Aligned):
    assert needle[0] == pytest.approx(-2.7, abs=0.5)


def test_the_shifts_are_etspys_but_for_where_the_object_is_put(needle: Aligned, peers):
    _, _, tilts_deg, alignment = needle
    angles = np.radians(tilts_deg)
    displaced = np.stack([np.cos(angles), np.sin(angles), np.ones(len(angles))], axis=1)
    for axis, modes in ((0, displaced), (1, displaced[:, 2:])):
        apart = alignment.shifts_px[:, axis] - peers["etspy_shifts_px"][:, axis]
        apart -= modes @ np.linalg.lstsq(modes, apart, rcond=None)[0]
        assert np.median(np.abs(apart)) < 1.5


def test_a_middle_slice_is_astras_sirt(needle: Aligned, peers):
    _, upright, tilts_deg, alignment = needle
    slab = shifted(upright, alignment.shifts_px)[:, :, SLICE_X - 2 : SLICE_X + 3]
    mine = reconstruct(np.ascontiguousarray(slab), tilts_deg, iterations=20)[:, :, 2]
    assert np.corrcoef(mine.ravel(), peers["astra_sirt100_x128"].ravel())[0, 1] > 0.98


def test_every_tilt_of_the_needle_fits_the_others(needle: Aligned):
    assert needle[3].agreement.min() > 0.97
    assert not needle[3].isolated_x
