from dataclasses import replace

import numpy as np
import pytest

from simulators.diffusion import diffuse, regular_solution
from simulators.imperfect.erosion import Void, eroded, with_margin
from simulators.imperfect.imperfections import Imperfections
from simulators.rehearsed_states import heated
from simulators.specimens import SPECIMENS, Voxels, build

CUBE = replace(SPECIMENS["NC2"], volume_nm3=8e3, silica_nm=0.0)


@pytest.fixture(scope="module")
def cube() -> Voxels:
    return build(CUBE, 40.0)


# Of the particle


def test_a_surface_that_rounds_keeps_volume_and_gold_and_loses_area(cube):
    wide = with_margin(cube, 4)
    volume_nm3, gold_nm3 = wide.volume_nm3, wide.volume_nm3 * wide.gold_fraction(wide.gold)
    areas = [surface_nm2(wide)]
    voxels, gold = wide, wide.gold
    for _ in range(3):
        voxels, gold = eroded(voxels, gold, volume_nm3, 1.5)
        areas.append(surface_nm2(voxels))
        assert voxels.volume_nm3 == pytest.approx(volume_nm3, rel=1e-3)
        assert voxels.volume_nm3 * voxels.gold_fraction(gold) == pytest.approx(gold_nm3, rel=1e-3)
        assert gold.max() <= 1.0 + 1e-3
    assert areas[0] > areas[1] > areas[2] > areas[3] > 0.8 * areas[0]
    still, _ = eroded(wide, wide.gold, volume_nm3)
    assert np.abs(still.metal - wide.metal).sum() < 0.02 * wide.metal.sum()


def surface_nm2(voxels: Voxels) -> float:
    from skimage.measure import marching_cubes, mesh_surface_area

    return float(mesh_surface_area(*marching_cubes(voxels.metal, 0.5, spacing=(voxels.voxel_nm,) * 3)[:2]))


def test_silver_leaves_and_gold_stays(cube):
    wide = with_margin(cube, 4)
    mixed = diffuse(wide.gold, wide, 40.0)
    voxels, gold = wide, mixed
    for left in (0.98, 0.95):
        voxels, gold = eroded(voxels, gold, left * wide.volume_nm3)
    assert voxels.volume_nm3 == pytest.approx(0.95 * wide.volume_nm3, rel=1e-3)
    amount = [v.volume_nm3 * v.gold_fraction(g) for v, g in ((wide, mixed), (voxels, gold))]
    assert amount[1] == pytest.approx(amount[0], rel=1e-3)
    assert np.all(gold[voxels.metal > 0] > 0.0)


def test_diffusion_in_a_rounded_particle_is_still_diffusion(cube):
    """A surface that was moved and back conducts as before, and an even composition stays even in any shape."""
    wide = with_margin(cube, 4)
    still, gold = eroded(wide, wide.gold, wide.volume_nm3)
    spreads = [v.spread(diffuse(g, v, 8.0)) for v, g in ((wide, wide.gold), (still, gold))]
    assert spreads[1] == pytest.approx(spreads[0], rel=0.01)
    rounder, _ = eroded(wide, wide.gold, wide.volume_nm3, 2.0)
    even = np.where(rounder.metal > 0, np.float32(0.3), np.float32(0.0))
    np.testing.assert_allclose(diffuse(even, rounder, 20.0)[rounder.metal > 0], 0.3, atol=1e-4)


@pytest.mark.parametrize(
    "law", [{"ln_d_fall": 1.2}, {"interaction_rt": -2.0}, {"ln_d_fall": 1.0, "interaction_rt": -1.0}]
)
def test_d_that_changes_conserves_gold_and_is_the_stated_one_at_the_mean(cube, law):
    mean = cube.gold_fraction(cube.gold)
    relative_d = regular_solution(mean, **law)
    assert float(relative_d(np.array([mean], np.float32))[0]) == pytest.approx(1.0, abs=1e-5)
    later = diffuse(cube.gold, cube, 5.0, relative_d)
    assert cube.gold_fraction(later) == pytest.approx(mean, rel=5e-5)
    assert np.abs(later - diffuse(cube.gold, cube, 5.0)).max() > 0.02
    # Near the end all of it is at the mean, where D is the stated one: the last of the spread decays as ever.
    flat = np.where(cube.metal > 0, mean + 1e-3 * (cube.gold - mean), 0.0).astype(np.float32)
    decayed = [cube.spread(diffuse(flat, cube, 10.0, d)) for d in (relative_d, None)]
    assert decayed[0] == pytest.approx(decayed[1], rel=0.01)


def test_d_that_changes_ever_less_ends_as_d_that_does_not(cube):
    mean = cube.gold_fraction(cube.gold)
    plain = diffuse(cube.gold, cube, 4.0)
    assert regular_solution(mean) is None
    away = [
        np.abs(diffuse(cube.gold, cube, 4.0, regular_solution(mean, fall)) - plain).max() for fall in (0.4, 0.2, 0.1)
    ]
    assert away[0] / away[1] == pytest.approx(2.0, abs=0.4)
    assert away[1] / away[2] == pytest.approx(2.0, abs=0.4)
    np.testing.assert_allclose(diffuse(cube.gold, cube, 4.0, regular_solution(mean, 1e-7)), plain, atol=2e-5)


def test_steps_of_a_d_that_changes_are_short_enough(cube, monkeypatch):
    relative_d = regular_solution(cube.gold_fraction(cube.gold), 1.2, -2.0)
    told = cube.spread(diffuse(cube.gold, cube, 6.0, relative_d))
    monkeypatch.setattr("simulators.diffusion._STEP_GROWS", 0.1)
    monkeypatch.setattr("simulators.diffusion._LEAST_STEP", 0.1)
    exact = cube.spread(diffuse(cube.gold, cube, 6.0, relative_d))
    assert told == pytest.approx(exact, rel=5e-4)


def test_an_interface_of_before_is_diffusion_that_no_pulse_did(cube):
    sharp = heated(CUBE, 40.0, (2.0,), Imperfections())
    soft = heated(CUBE, 40.0, (2.0,), Imperfections(interface_nm=2.0))
    (voxels, _), (_, gold) = sharp[0], soft[0]
    np.testing.assert_allclose(gold, diffuse(voxels.gold, voxels, 1.0), atol=1e-5)
    np.testing.assert_allclose(soft[1][1], diffuse(voxels.gold, voxels, 3.0), atol=2e-5)


def test_a_void_opens_where_it_is_told_and_the_outside_grows_by_it(cube):
    wide, void = with_margin(cube, 4), Void((0.0, 3.0, 4.0), 3.0)
    voxels, gold = wide, diffuse(wide.gold, wide, 5.0)
    amount_nm3 = wide.volume_nm3 * wide.gold_fraction(gold)
    for radius_nm in (2.0, 3.0):
        voxels, gold = eroded(voxels, gold, wide.volume_nm3, void=replace(void, radius_nm=radius_nm))
    assert voxels.volume_nm3 == pytest.approx(wide.volume_nm3, rel=1e-3)
    assert voxels.volume_nm3 * voxels.gold_fraction(gold) == pytest.approx(amount_nm3, rel=1e-3)
    hole = void.depth_nm(voxels.metal.shape, voxels.voxel_nm)
    assert voxels.metal[hole > 0.5].max() == 0.0
    outside_nm3 = float(np.where(hole > -1.0, 1.0, voxels.metal).sum()) * voxels.voxel_nm**3
    assert outside_nm3 - wide.volume_nm3 == pytest.approx(4 / 3 * np.pi * 27.0, rel=0.05)
