"""A particle's projections sum up to the same at every tilt; what carries it grows as one over the cosine."""

import numpy as np
import pytest

from analysis.tomography.neighbour import entered

TILTS = np.arange(-70.0, 71.0, 2.0)
ALONE = 1e6 * np.ones(len(TILTS))
CARRIER = 2e5 / np.cos(np.radians(TILTS))


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1e3, len(TILTS))


@pytest.mark.parametrize(
    "sums", [ALONE, ALONE + CARRIER, CARRIER], ids=["alone", "on a carrier", "nothing but carrier"]
)
def test_a_particle_on_its_carrier_is_alone(sums):
    for seed in range(20):
        assert not entered(sums + noise(seed), TILTS).any(), seed


def test_single_bright_tilts_are_none_that_anything_entered():
    for seed in range(20):
        bright = np.random.default_rng(seed).choice(np.flatnonzero(np.abs(TILTS) < 67.0), 7, replace=False)
        sums = ALONE + noise(seed)
        sums[[*bright, 0, -2]] *= 1.15
        assert not entered(sums, TILTS).any(), seed


@pytest.mark.parametrize(("low", "high"), [(-50.0, None), (None, 60.0), (-46.0, 56.0)])
def test_what_enters_is_seen_from_where_it_does(low, high):
    sums = ALONE + CARRIER + noise(1)
    inside = ((-90.0 if low is None else low) > TILTS) | ((90.0 if high is None else high) < TILTS)
    beyond = np.minimum(np.abs(TILTS - (low or 0.0)), np.abs(TILTS - (high or 0.0)))
    sums = sums + np.where(inside, 4e4 * beyond, 0.0)
    np.testing.assert_array_equal(entered(sums, TILTS), inside)
    shuffled = np.random.default_rng(2).permutation(len(TILTS))
    np.testing.assert_array_equal(entered(sums[shuffled], TILTS[shuffled]), inside[shuffled])


def test_few_tilts_or_a_narrow_series_tell_nothing():
    assert not entered(ALONE[::8] + CARRIER[::8], TILTS[::8]).any()
    assert not entered(np.linspace(1.0, 9.0, 15), np.linspace(-30.0, 30.0, 15)).any()
