"""Smooth displacements as cosine waves, and the patterns of a few amounts."""

import numpy as np
import pytest
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from analysis.unheated.patterns import Patterns, _change, _told
from analysis.unheated.smooth_fields import SmoothField

SHAPE = (24, 30, 32)


@pytest.mark.parametrize("smooth_px", [0.0, 1.5, 6.0])
def test_there_and_back_are_adjoint(rng, smooth_px):
    smooth = SmoothField(SHAPE, smooth_px)
    waves = rng.normal(size=smooth.amplitudes.shape).astype(np.float32)
    field = rng.normal(size=SHAPE).astype(np.float32)
    here, there = np.vdot(smooth.voxels(waves), field), np.vdot(waves, smooth.waves(field))
    assert abs(here - there) < 1e-5 * np.linalg.norm(waves) * np.linalg.norm(field)


def test_without_a_gaussian_it_is_the_cosine_transform(rng):
    field = rng.normal(size=SHAPE).astype(np.float32)
    smooth = SmoothField(SHAPE)
    np.testing.assert_allclose(smooth.waves(field), dctn(field, norm="ortho"), atol=2e-5)
    np.testing.assert_allclose(smooth.voxels(smooth.waves(field)), field, atol=2e-5)


@pytest.mark.parametrize("smooth_px", [1.5, 2.5, 6.0])
def test_what_is_left_out_of_smoothed_noise_is_below_a_hundredth(rng, smooth_px):
    noise = rng.normal(size=SHAPE).astype(np.float32)
    smooth = SmoothField(SHAPE, smooth_px)
    kept = tuple(slice(0, n) for n in smooth.amplitudes.shape)
    found = smooth.voxels(dctn(noise, norm="ortho")[kept])
    expected = gaussian_filter(noise, smooth_px, truncate=6.0, mode="reflect")
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


def test_amplitudes_are_those_of_the_waves():
    smooth = SmoothField(SHAPE, 2.5)
    one = np.zeros_like(smooth.amplitudes)
    one[2, 0, 3] = 1.0
    assert np.linalg.norm(smooth.voxels(one)) == pytest.approx(smooth.amplitudes[2, 0, 3], rel=1e-5)


def test_patterns_are_added_and_told_as_sums_of_products(rng):
    gain, weight, scattered, seen = rng.random((4, 5, 7, 9)).astype(np.float32)
    everywhere = rng.normal(size=(3, 5, 7, 9)).astype(np.float32)
    per_tilt = rng.normal(size=(5, 2, 7, 9)).astype(np.float32)
    shared, own = rng.normal(size=3), rng.normal(size=(5, 2))
    patterns = Patterns(gain, everywhere, per_tilt)
    expected = gain * scattered + np.tensordot(shared, everywhere, 1) + np.einsum("ti,tiyx->tyx", own, per_tilt)
    np.testing.assert_allclose(patterns.change(scattered, shared, own, weight), weight * expected, atol=1e-5)
    back, told, told_of_each = patterns.told(seen)
    np.testing.assert_allclose(back, gain * seen, atol=1e-6)
    np.testing.assert_allclose(told, np.tensordot(everywhere, seen, 3), atol=1e-4)
    np.testing.assert_allclose(told_of_each, np.einsum("tiyx,tyx->ti", per_tilt, seen), atol=1e-4)


def test_the_kernels_are_the_same_compiled_and_plain(rng):
    gain, weight, scattered, seen = rng.random((4, 2, 3, 4)).astype(np.float32)
    everywhere, per_tilt = rng.random((1, 2, 3, 4)).astype(np.float32), rng.random((2, 2, 3, 4)).astype(np.float32)
    amounts = np.array([0.5], np.float32), np.array([[1.0, 2.0], [3.0, -1.0]], np.float32)
    changes = np.zeros((2, 2, 3, 4), np.float32)
    for run, out in zip((_change, _change.py_func), changes, strict=True):
        run((scattered, gain, weight, everywhere, per_tilt), *amounts, out)
    np.testing.assert_allclose(*changes, atol=1e-6)
    found = [(np.zeros((2, 3, 4), np.float32), np.zeros((2, 1)), np.zeros((2, 2))) for _ in range(2)]
    for run, out in zip((_told, _told.py_func), found, strict=True):
        run(seen, (gain, everywhere, per_tilt), *out)
    for compiled, plain in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-5)
