"""A particle's projections sum up to the same at every tilt; what carries it grows as one over the cosine."""

import numpy as np
import pytest

from analysis.tomography.total_signal import diffracting, entered

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


@pytest.mark.parametrize("carrier", [0.0, 1.0], ids=["alone", "on a carrier"])
def test_tilts_at_which_a_crystal_diffracts_are_found_and_no_others(carrier):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sums = ALONE + carrier * CARRIER + noise(seed)
        part = np.zeros(len(TILTS))
        part[rng.choice(len(TILTS), 7, replace=False)] = rng.choice([-0.1, 0.1, 0.15, 0.3], 7)
        order = rng.permutation(len(TILTS))
        found = np.zeros(len(TILTS))
        found[order] = diffracting((sums + part * ALONE)[order], TILTS[order])
        np.testing.assert_array_equal(found != 0.0, part != 0.0, err_msg=f"seed {seed}")
        np.testing.assert_allclose(found, part * ALONE / (ALONE + carrier * CARRIER), atol=0.03)


def test_a_beam_that_drifts_steps_or_flickers_diffracts_nowhere():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        drift = 1.0 + 0.3 * np.linspace(0.0, 1.0, len(TILTS))
        step = np.where(np.arange(len(TILTS)) < rng.integers(20, 50), 1.0, 0.8)
        flicker = 1.0 + 0.05 * rng.standard_normal(len(TILTS))
        assert not diffracting(ALONE * drift + noise(seed), TILTS).any(), seed
        # One of 71 may be far from the usual by chance, or last beside a step; it costs nothing to leave it out.
        for course in (step, flicker):
            assert np.count_nonzero(diffracting(ALONE * course + noise(seed), TILTS)) <= 1, seed


def test_where_nothing_shines_nothing_diffracts():
    assert not diffracting(np.zeros(len(TILTS)), TILTS).any()
    assert not diffracting(ALONE[:5] * np.array([1.0, 1.0, 2.0, 1.0, 1.0]), TILTS[:5]).any()
