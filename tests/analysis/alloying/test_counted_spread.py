"""How far noise moves a spread is told by two reconstructions as well as by the scatter over many seeds."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from analysis.alloying.counted_spread import relative_spread_std
from analysis.alloying.simulated_measurement import comparable_volume
from analysis.tomography.projector import Projector

SIDE = 40
REGION = np.hypot(*(np.indices((SIDE, SIDE))[k] - SIDE / 2 for k in range(2)))[None] < np.full((SIDE, 1, 1), 16.0)
CORE = np.where(np.indices((SIDE, SIDE, SIDE))[2] < SIDE // 2, 2.0, 1.0)


def noisy(seed: int, size: float, smooth_px: float) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((SIDE, SIDE, SIDE)), smooth_px)
    return (CORE + size * noise / noise.std()).astype(np.float32)


@pytest.mark.parametrize("smooth_px", [0.5, 1.0])
@pytest.mark.parametrize("size", [0.05, 0.3])
def test_two_volumes_tell_the_scatter_of_many(size, smooth_px):
    """Sixty-four scatter to 9 % of their own scatter; the blocks are few enough to err by as much."""
    volumes = [noisy(seed, size, smooth_px) for seed in range(64)]
    spreads = [v[REGION].std() / v[REGION].mean() for v in volumes]
    told = relative_spread_std(volumes[0], volumes[1], REGION)
    assert told == pytest.approx(np.std(spreads, ddof=1), rel=0.35), (size, smooth_px)


def test_the_noise_of_reconstructions_is_told():
    """Or rather more: a tilt's counts are fixed, so what a reconstruction has too much here it lacks elsewhere."""
    tilts_deg = np.linspace(-70.0, 70.0, 36)
    ideal = Projector(tilts_deg, CORE.shape).forward(np.where(REGION, CORE, 0.0).astype(np.float32))
    draws = (np.random.default_rng(seed).poisson(20.0 * ideal).astype(np.float32) for seed in range(40))
    volumes = [comparable_volume(draw, tilts_deg) for draw in draws]
    spreads = [v[REGION].std() / v[REGION].mean() for v in volumes]
    told = [relative_spread_std(volumes[k], volumes[k + 1], REGION) for k in range(0, 8, 2)]
    assert 0.8 < np.mean(told) / np.std(spreads, ddof=1) < 1.8, told


def test_it_goes_with_the_noise_and_not_with_the_brightness():
    one, twice = (relative_spread_std(noisy(1, s, 1.0), noisy(2, s, 1.0), REGION) for s in (0.02, 0.04))
    assert twice == pytest.approx(2.0 * one, rel=0.05)
    bright = relative_spread_std(10.0 * noisy(1, 0.02, 1.0), 10.0 * noisy(2, 0.02, 1.0), REGION)
    assert bright == pytest.approx(one, rel=1e-4)


def test_an_empty_region_has_no_spread():
    assert np.isnan(relative_spread_std(np.zeros_like(CORE), np.zeros_like(CORE), REGION))
