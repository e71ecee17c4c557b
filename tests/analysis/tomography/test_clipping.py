"""Detectors that clip are told from bright particles, and what they do not show is not taken for what they show."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.tomography.clipping import clipping_of
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


def test_what_is_clipped_counts_only_against_a_model_that_is_darker():
    stack = np.array([[[10.0, 99.0, 99.0, 99.0]]], np.float32)
    signal = np.array([[[10.0, 50.0, 130.0, 99.0]]], np.float32)
    seen = np.ones_like(stack)
    plain = Projections(stack, np.zeros(1), np.zeros((1, 2)), Noise(1.0, 0.0))
    weight = replace(plain, ceiling=99.0).weights(signal, stack, seen)
    np.testing.assert_array_equal(weight > 0.0, [[[True, True, False, False]]])
    np.testing.assert_array_equal(weight[:, :, :2], plain.weights(signal, stack, seen)[:, :, :2])
