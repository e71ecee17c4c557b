"""Intensity against depth: a ball in a ball has its two levels, at the depths where they are."""

import numpy as np
import pytest

from analysis.report.depth_profile import depth_profile, shells_of

VOXEL_NM, RADIUS_PX, CORE_PX = 0.8, 20.0, 12.0


def ball(rng, *, mixed: bool = False) -> np.ndarray:
    """Gold in silver, or all mixed, with noise all around."""
    z, y, x = np.indices((56, 52, 60)) - np.array([28, 26, 30])[:, None, None, None]
    r = np.sqrt(z**2 + y**2 + x**2)
    part = (CORE_PX / RADIUS_PX) ** 3
    levels = np.where(r < CORE_PX, 9.0, 4.0) if not mixed else np.full(r.shape, 9.0 * part + 4.0 * (1.0 - part))
    return (np.where(r < RADIUS_PX, levels, 0.0) + rng.normal(0.0, 0.3, r.shape)).astype(np.float32)


def test_a_ball_in_a_ball_has_two_levels_and_its_core_where_it_is(rng):
    volume = ball(rng)
    shells = shells_of(volume)
    body = shells > 0
    assert np.count_nonzero(body) == pytest.approx(4.0 / 3.0 * np.pi * RADIUS_PX**3, rel=0.03)
    depth_nm, intensity, spread, voxels = depth_profile(volume, shells, VOXEL_NM)
    assert voxels.sum() == pytest.approx(np.count_nonzero(body), abs=20)
    core_at_nm = VOXEL_NM * (RADIUS_PX - CORE_PX)
    shell, core = intensity[depth_nm < core_at_nm - 1.0], intensity[depth_nm > core_at_nm + 1.0]
    assert core.mean() / shell.mean() == pytest.approx(9.0 / 4.0, rel=0.02)
    assert np.interp(core_at_nm, depth_nm, intensity) == pytest.approx(0.5 * (shell.mean() + core.mean()), rel=0.25)
    assert spread[2] == pytest.approx(0.3 / volume[body].mean(), rel=0.15)
    assert np.average(intensity, weights=voxels) == pytest.approx(1.0, abs=1e-2)


def test_what_is_mixed_is_flat(rng):
    shells = shells_of(ball(rng))
    depth_nm, intensity, *_ = depth_profile(ball(rng, mixed=True), shells, VOXEL_NM)
    assert np.abs(intensity[depth_nm > 1.0] - 1.0).max() < 0.03


@pytest.mark.parametrize("shape", [(9, 9, 9), (4, 20, 20)])
def test_noise_alone_ends_in_no_error(rng, shape):
    volume = rng.normal(0.0, 1.0, shape).astype(np.float32)
    profile = depth_profile(volume, shells_of(volume), 1.0)
    assert np.isfinite(profile.intensity).all()
