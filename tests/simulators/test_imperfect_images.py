from dataclasses import replace

import numpy as np
import pytest

from simulators.imaging import View, attenuation, brightest, scatterers, scattering
from simulators.imperfect.beam_path import BeamPath, bright_tilts_deg, membranes, neighbours
from simulators.imperfect.imperfections import Imperfections
from simulators.imperfect.surroundings import carbon
from simulators.imperfect.turning import rotation, turned
from simulators.specimens import SPECIMENS, Voxels, build

VIEW = View(0.0, (0.0, 0.0, 0.0), 0.6, (96, 96), 0.6)
CUBE = replace(SPECIMENS["NC2"], volume_nm3=8e3, silica_nm=0.0)


@pytest.fixture(scope="module")
def cube() -> Voxels:
    return build(CUBE, 40.0)


def test_the_brightest_path_is_lowered_by_what_was_asked_and_no_order_changes(cube):
    metal, _ = scatterers(cube, cube.gold)
    sharp = replace(VIEW, tilt_deg=45.0, probe_sigma_nm=1e-6, pixel_nm=0.3)
    linear = sharp.of(metal)
    top = brightest(metal)
    assert linear.max() == pytest.approx(top, rel=0.03)
    for part in (0.05, 0.1):
        lowered = replace(sharp, attenuation=attenuation(top, part)).of(metal)
        at = np.unravel_index(linear.argmax(), linear.shape)
        assert 1.0 - lowered[at] / linear[at] == pytest.approx(part * linear[at] / top, rel=0.06)
        some = linear > 0.01 * top
        assert np.all(lowered[some] < linear[some])
        order = np.argsort(linear[some])
        assert np.all(np.diff(lowered[some][order]) >= -1e-3 * top)  # pixels are means of four rays
    assert attenuation(top, 0.0) == 0.0


def test_an_alloy_of_both_scatters_more_by_its_bow(cube):
    even = np.full_like(cube.gold, 0.5)
    (silver, _), (gold, _), (plain, _) = (scatterers(cube, c * 2 * even)[0] for c in (0.0, 1.0, 0.5))
    (bowed, _), _ = scatterers(cube, even, 0.1)
    np.testing.assert_allclose(bowed - plain, 0.1 * (gold - silver), atol=1e-8)
    for pure in (0.0, 1.0):
        np.testing.assert_allclose(
            scatterers(cube, 2 * pure * even, 0.1)[0][0], scatterers(cube, 2 * pure * even)[0][0], rtol=1e-6
        )


def test_a_crystal_is_brighter_in_its_own_two_degrees_only(cube):
    path = BeamPath(*[scatterers(cube, cube.gold)[0], ()], bright_deg=(20.0,), brighter=0.3)
    for tilt_deg, factor in ((20.4, 1.3), (21.2, 1.0), (0.0, 1.0)):
        seen = path.seen(VIEW, tilt_deg)
        plain = scattering(cube, cube.gold, replace(VIEW, tilt_deg=tilt_deg))
        np.testing.assert_allclose(seen, factor * plain, rtol=1e-5, atol=1e-7)


def test_seven_of_71_tilts_are_bright():
    for seed in range(20):
        bright_deg = bright_tilts_deg(Imperfections(diffraction_tilts=7), np.random.default_rng(seed))
        every_other_deg = np.arange(-70.0, 71.0, 2.0)
        assert sum(any(abs(t - b) < 1.0 for b in bright_deg) for t in every_other_deg) == 7
    assert bright_tilts_deg(Imperfections(), np.random.default_rng(1)) == ()


# Of the geometry


def moments(image: np.ndarray) -> np.ndarray:
    y, x = np.indices(image.shape)
    weight = image / image.sum()
    away = np.stack([y - (weight * y).sum(), x - (weight * x).sum()])
    return np.einsum("ayx,byx,yx->ab", away, away, weight)


def test_stretch_and_shear_deform_the_image_as_told(cube):
    plain = moments(scattering(cube, cube.gold, VIEW))
    stretched = moments(scattering(cube, cube.gold, replace(VIEW, magnified=(0.99, 1.02))))
    np.testing.assert_allclose(np.sqrt(np.diag(stretched) / np.diag(plain)), [0.99, 1.02], atol=0.001)
    sheared = moments(scattering(cube, cube.gold, replace(VIEW, shear=0.03)))
    map_ = np.array([[1.0, 0.0], [0.03, 1.0]])
    np.testing.assert_allclose(sheared, map_ @ plain @ map_.T, rtol=0.01, atol=0.01 * plain.max())


@pytest.mark.parametrize("tilt_deg", [0.0, 35.0])
def test_a_particle_turned_about_the_beam_is_the_turned_specimen(tilt_deg):
    rod = replace(SPECIMENS["NR1"], volume_nm3=4e3, in_plane_deg=5.0, silica_nm=3.0)
    at_first, lies = build(rod, 50.0), build(replace(rod, in_plane_deg=17.0), 50.0)
    densities = [(turned(d, rotation(12.0)), h) for d, h in scatterers(at_first, at_first.gold)]
    view = replace(VIEW, tilt_deg=tilt_deg)
    expected = scattering(lies, lies.gold, view)
    difference = view.of(*densities) - expected
    assert np.abs(difference).max() < 0.02 * expected.max()
    assert abs(difference.sum()) < 2e-3 * expected.sum()


def test_a_particle_turned_about_the_tilt_axis_is_a_tilted_one(cube):
    metal, h = scatterers(cube, cube.gold)[0]
    expected = replace(VIEW, tilt_deg=30.0).of((metal, h))
    difference = replace(VIEW, tilt_deg=18.0).of((turned(metal, rotation(0.0, 12.0)), h)) - expected
    assert np.abs(difference).max() < 0.02 * expected.max()


def test_turning_thrice_about_all_axes_keeps_everything_and_can_be_undone(cube):
    metal, _ = scatterers(cube, cube.gold)[0]
    matrix = rotation(10.0, -7.0, 12.0)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    there = turned(metal, matrix)
    assert there.sum() == pytest.approx(metal.sum(), rel=1e-3)
    back = turned(there, matrix.T)
    lost = (np.array(back.shape) - metal.shape) // 2
    middle = back[tuple(slice(o, o + n) for o, n in zip(lost, metal.shape, strict=True))]
    assert np.abs(middle - metal).mean() < 0.02 * metal.max()


# Of the surroundings


def test_the_membrane_s_path_grows_with_one_over_the_cosine_and_its_band_is_thicker():
    (flat,) = membranes(Imperfections(membrane_nm=20.0), 10.0)
    seen = [replace(VIEW, tilt_deg=t).of(beside=(flat,)).mean() for t in (0.0, 60.0)]
    assert seen[1] == pytest.approx(2.0 * seen[0], rel=1e-5)
    (stepped,) = membranes(Imperfections(membrane_nm=20.0, membrane_step_nm=8.0), 10.0)
    image = VIEW.of(beside=(stepped,))
    assert image.max() == pytest.approx(1.4 * seen[0], rel=0.01)
    assert image.min() == pytest.approx(seen[0], rel=0.01)


def test_a_neighbour_reaches_the_particle_at_its_tilt(cube):
    flaws = Imperfections(neighbour_at_deg=60.0)
    (ball,) = neighbours(CUBE, flaws)
    radius_nm = np.cbrt(0.75 / np.pi * CUBE.volume_nm3)
    wide = replace(VIEW, shape=(160, 96), probe_sigma_nm=0.1)

    def reaches_nm(tilt_deg: float) -> float:
        image = replace(wide, tilt_deg=tilt_deg).of(beside=(ball,))
        rows = (np.flatnonzero(image.any(axis=1)) - 79.5) * 0.6
        return float(rows.min()) if rows.size else np.inf

    assert reaches_nm(0.0) > 2.5 * radius_nm
    assert reaches_nm(60.0) == pytest.approx(radius_nm, abs=0.7)
    assert reaches_nm(-70.0) < radius_nm - 2.0


def test_carbon_grows_outside_the_metal_by_its_thickness(cube):
    density, h = carbon(cube, 4.0)
    pad = (np.array(density.shape) - cube.metal.shape) // 2
    inside = density[tuple(slice(p, p + n) for p, n in zip(pad, cube.metal.shape, strict=True))]
    assert inside[cube.metal > 0.99].max() < 0.01 * density.max()
    edge = float(np.cbrt(CUBE.volume_nm3))
    coat_nm3 = float((density > 0.5 * density.max()).sum()) * h**3
    # Steiner's formula for a cube whose corners are rounded by a twelfth.
    steiner_nm3 = 6 * edge**2 * 4.0 + 3 * np.pi * edge * 4.0**2 + 4 / 3 * np.pi * 4.0**3
    assert coat_nm3 == pytest.approx(steiner_nm3, rel=0.06)
