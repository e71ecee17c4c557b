"""Detectors that clip are told from bright particles, and what they do not show is not taken for what they show."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.tomography.clipping import clipped, clipping_of
from analysis.tomography.noise import Noise
from analysis.tomography.projections import Projections


@pytest.mark.parametrize("mean", [0.3, 4.0, 40.0, 4000.0])
@pytest.mark.parametrize("gain", [1, 7])
def test_counts_that_end_by_themselves_are_not_clipped(mean, gain):
    rng = np.random.default_rng(1)
    for _ in range(20):
        images = [(gain * rng.poisson(mean, (64, 64))).astype(np.uint16) for _ in range(10)]
        assert clipping_of(images) is None


def test_where_they_are_clipped_it_is_said_how_many_and_how_much():
    rng = np.random.default_rng(2)
    images = [rng.poisson(1000.0, (64, 64)) for _ in range(10)]
    images[3][:8, :32] = images[7][:4, :16] = 5000
    images = [np.minimum(i, 1200).astype(np.uint16) for i in images]
    found = clipping_of(images)
    assert found is not None and (found.counts, found.images) == (1200.0, 2)
    assert found.worst_part == pytest.approx(256 / 4096)
    assert "clips at 1200 counts in 2 images, up to 6.2 % of the pixels" in str(found)


def test_an_image_of_fractions_and_none_at_all_tell_nothing():
    assert clipping_of([np.ones((9, 9), np.float32)]) is None
    assert clipping_of([]) is None


@pytest.mark.parametrize("z", [-6.0, -1.5, 0.0, 0.8, 1.4])
def test_the_mean_of_clipped_pixels_its_slope_and_their_variance_are_as_drawn(z):
    sigma, end, step, n = 30.0, 1000.0, 3.0, 400_000
    noise = sigma * np.random.default_rng(3).standard_normal(n)
    signal = end + z * sigma
    drawn = np.minimum(signal + noise, end)
    more = np.minimum(signal + step + noise, end).mean() - np.minimum(signal - step + noise, end).mean()
    mean, passed, variance = (
        float(v[0]) for v in clipped(*(np.array([v], np.float64) for v in (signal, sigma**2)), end)
    )
    assert mean == pytest.approx(drawn.mean(), abs=4.0 * sigma / n**0.5)
    assert passed == pytest.approx(more / (2.0 * step), abs=0.004)
    assert variance == pytest.approx(drawn.var(), rel=0.02)


def test_what_passes_on_next_to_nothing_passes_on_nothing():
    _, passed, variance = clipped(np.array([1100.0, 1400.0]), np.array([100.0, 100.0]), 1000.0)
    np.testing.assert_array_equal(passed, 0.0)
    assert np.all(variance > 0.0)


def test_a_true_model_misses_clipped_pixels_by_nothing_but_noise():
    rng, end = np.random.default_rng(4), 1000.0
    signal = np.tile(np.linspace(300.0, 1300.0, 500, dtype=np.float32), (40, 50, 1))
    noise = Noise(4.0, 0.0)
    stack = np.minimum(noise.sample(signal, rng), end).astype(np.float32)
    plain = Projections(stack, np.zeros(40), np.zeros((40, 2)), noise)
    missed, weight = replace(plain, ceiling=end).missed(signal, stack, np.ones_like(stack))
    told = weight[0, 0] > 0.0
    weighted = (weight * missed).sum(axis=(0, 1)) / np.sqrt(np.maximum(weight, 1e-30).sum(axis=(0, 1)))
    assert np.abs(weighted[told]).max() < 4.5 and abs(weighted[told].mean()) < 0.2
    assert (weight * missed**2).mean(axis=(0, 1))[told].mean() == pytest.approx(1.0, abs=0.05)
    assert not told[signal[0, 0] > 1200.0].any()


def test_what_is_clipped_still_counts_against_a_model_that_is_darker_or_brighter():
    stack = np.array([[[10.0, 99.0, 99.0, 30.0]]], np.float32)
    signal = np.array([[[10.0, 50.0, 200.0, 200.0]]], np.float32)
    seen = np.ones_like(stack)
    plain = Projections(stack, np.zeros(1), np.zeros((1, 2)), Noise(0.1, 0.0))
    missed, weight = replace(plain, ceiling=99.0).missed(signal, stack, seen)
    np.testing.assert_array_equal(weight > 0.0, [[[True, True, False, True]]])
    at = [0, 1, 3]
    for found, known in zip((missed, weight), plain.missed(signal, stack, seen), strict=True):
        np.testing.assert_array_equal(found[..., at], known[..., at])
