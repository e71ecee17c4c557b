"""One series from counts to volume: what is no tilt series, or not what it should be, is found, mended or refused."""

import numpy as np
import pytest
from scipy import ndimage

from analysis.tomography import single
from analysis.tomography.hot_pixels import without_hot_pixels
from analysis.tomography.projector import project
from analysis.tomography.reconstruction import needed_bytes
from analysis.tomography.single import SingleReconstruction, reconstruct_series
from drivers.memory import memory_bytes

BALLS = [(0, 0, 0, 7, 1.0), (-9, -8, 5, 4, 2.0), (8, 10, -6, 3, 2.0), (6, -11, -9, 3, 1.0)]
"""z, y, x, radius, brightness."""
TILTS = np.arange(-69.0, 69.1, 3.0)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    z, y, x = np.mgrid[:48, :48, :48] - 23.5
    volume = np.zeros((48, 48, 48), np.float32)
    for a, b, c, radius, bright in BALLS:
        volume = np.maximum(volume, bright * ((z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= radius**2))
    return ndimage.gaussian_filter(volume, 0.7)


@pytest.fixture(scope="module")
def series(truth) -> np.ndarray:
    """Counts that drift by a pixel or two from image to image."""
    rng = np.random.default_rng(1)
    seen = [ndimage.shift(p, rng.normal(0.0, 1.5, 2), order=1) for p in project(truth, TILTS)]
    return (rng.poisson(10.0 * np.maximum(seen, 0.0) + 0.5) + 20).astype(np.int16)


def reconstructed(series: np.ndarray, tilts_deg=TILTS, **options) -> SingleReconstruction:
    return reconstruct_series(series, tilts_deg, method="mlem", iterations=20, **options)


def likeness(volume: np.ndarray, truth: np.ndarray) -> float:
    """Best correlation over shifts, and over the two senses of z."""
    away = truth - truth.mean()
    best = 0.0
    for one in (volume, volume[::-1]):
        one = one - one.mean()
        together = np.fft.ifftn(np.fft.fftn(away) * np.conj(np.fft.fftn(one))).real.max()
        best = max(best, float(together / np.sqrt((away**2).sum() * (one**2).sum())))
    return best


@pytest.mark.parametrize("axis_deg", [None, 90.0])
def test_an_axis_along_y_is_found_or_taken(series, truth, axis_deg):
    found = reconstructed(series.transpose(0, 2, 1), axis_deg=axis_deg)
    assert found.axis_deg == pytest.approx(90.0, abs=0.5)
    assert likeness(found.volume, truth) > 0.98


@pytest.mark.parametrize("axis_deg", [-30.0, 8.0, 30.0, 120.0])
def test_any_axis_is_found(series, axis_deg):
    lying = ndimage.rotate(series.astype(np.float32), axis_deg, axes=(1, 2), reshape=False, order=1, mode="nearest")
    assert reconstructed(lying).axis_deg == pytest.approx(axis_deg, abs=1.0)


def test_images_said_to_be_aligned_with_another_axis_are_refused(series):
    with pytest.raises(ValueError, match="90 deg from there; give it with --axis-deg"):
        reconstructed(series.transpose(0, 2, 1), aligned=True)
    assert reconstructed(series, aligned=True).axis_deg == 0.0


def test_a_bright_field_series_is_refused(series):
    with pytest.raises(ValueError, match="bright field"):
        reconstructed(series.max() - series)


def test_single_hot_pixels_are_smoothed_over_and_told(series, truth):
    hit = series.copy()
    hit[5, 17, 40] = hit[20, 10, 40] = hit[40, 30, 8] = 30000
    found = reconstructed(hit)
    assert found.mended == ["-54.0 deg: 1 hot pixel", "-9.0 deg: 1 hot pixel", "51.0 deg: 1 hot pixel"]
    assert found.left_out == []
    assert found.axis_deg == pytest.approx(0.0, abs=0.5)
    assert likeness(found.volume, truth) > 0.98


def test_a_clean_stack_has_no_hot_pixels(series):
    stack = series.astype(np.float32)
    mended, hot = without_hot_pixels(stack)
    assert not hot.any()
    np.testing.assert_array_equal(mended, stack)


def test_empty_images_are_left_out_and_told(series, truth):
    empty = series.copy()
    empty[-6:] = 0
    found = reconstructed(empty)
    assert found.left_out == [f"{t:.1f} deg: blank" for t in TILTS[-6:]]
    assert len(found.tilts_deg) == 41
    assert likeness(found.volume, truth) > 0.975


def test_an_image_that_jumped_is_left_out_and_told(series, truth):
    jumped = series.copy()
    jumped[10] = np.random.default_rng(0).permutation(jumped[10].ravel()).reshape(48, 48)
    found = reconstructed(jumped)
    assert [w.partition(":")[0] for w in found.left_out] == ["-39.0 deg"]
    assert likeness(found.volume, truth) > 0.98


def test_a_turn_of_180_deg_is_reconstructed(truth):
    tilts_deg = np.arange(0.0, 178.0, 3.0)
    counts = np.random.default_rng(1).poisson(10.0 * project(truth, tilts_deg) + 0.5)
    assert likeness(reconstructed(counts, tilts_deg).volume, truth) > 0.98


@pytest.mark.parametrize("tilts_deg", [np.radians(TILTS), np.full(47, 3.0)])
def test_what_spans_no_angle_is_no_tilt_series(series, tilts_deg):
    with pytest.raises(ValueError, match="no tilt series"):
        reconstructed(series, tilts_deg)


def test_more_than_there_is_memory_for_is_refused_before_it_begins(monkeypatch, series):
    needed = needed_bytes(series.shape)
    monkeypatch.setattr(single, "memory_bytes", lambda: needed - 1)
    with pytest.raises(ValueError, match=r"48 x 48 x 48 voxels takes 0\.0 GiB"):
        reconstructed(series)
    monkeypatch.setattr(single, "memory_bytes", lambda: needed)
    assert reconstructed(series).volume.shape == (48, 48, 48)


def test_what_is_said_to_be_needed_is_what_is_taken(series):
    import tracemalloc

    tracemalloc.start()
    reconstructed(series)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 < peak / needed_bytes(series.shape) < 1.1


def test_the_shell_s_limit_counts_as_memory():
    import subprocess
    import sys

    command = f"ulimit -v 4000000; {sys.executable} -c 'from drivers.memory import memory_bytes; print(memory_bytes())'"
    told = int(subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout)
    assert told == min(4000000 * 1024, memory_bytes())
