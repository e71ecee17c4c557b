"""What must hold whatever the numbers: mass, monotony, signs, exact solutions."""

import numpy as np
import pytest

import alloyscope as al
from tests.alloyscope.conftest import TILTS

R_J_PER_MOL_K = 8.314462618


def exact_degree(radius_nm: float, core_nm: float, tau_nm2: np.ndarray) -> np.ndarray:
    """A ball in a ball, no flux through the surface: the series over the roots of tan x = x (Crank, section 6.3)."""
    n = np.arange(1, 401)
    x = (n + 0.5) * np.pi
    for _ in range(20):
        x = n * np.pi + np.arctan(x)
    q = x / radius_nm
    norm = 0.5 * radius_nm - np.sin(2.0 * x) / (4.0 * q)
    weight = ((np.sin(q * core_nm) - q * core_nm * np.cos(q * core_nm)) / q**2) ** 2 / norm
    variance = 3.0 / radius_nm**3 * np.exp(-2.0 * np.minimum(np.outer(tau_nm2, q**2), 300.0)) @ weight
    fraction = (core_nm / radius_nm) ** 3
    return 1.0 - np.sqrt(variance / (fraction * (1.0 - fraction)))


def test_a_ball_in_a_ball_follows_the_series_solution():
    seconds = np.geomspace(1.0, 200.0, 12)
    course = al.simulate_diffusion(al.CoreShell("sphere", 20.0, 12.0, voxel_nm=0.5), seconds, d_m2_per_s=2.4e-19)
    exact = exact_degree(10.0, 6.0, 0.24 * seconds)
    np.testing.assert_allclose(course.degree, exact, atol=0.005)
    later = exact > 0.2
    np.testing.assert_allclose(course.degree[later], exact[later], rtol=0.01)
    assert course.quality == "good"


PARTICLES = [
    al.CoreShell("sphere", 16.0, 10.0, voxel_nm=1.0),
    al.CoreShell("cube", 16.0, 11.0, voxel_nm=1.0),
    al.CoreShell("rod", (24.0, 12.0), (18.0, 8.0), voxel_nm=1.0),
]


@pytest.mark.parametrize("particle", PARTICLES, ids=lambda p: p.shape)
def test_mass_is_conserved_and_the_degree_rises_from_none_to_all(particle):
    course = al.simulate_diffusion(particle, [0, 1, 10, 100, 10_000], d_m2_per_s=2.4e-19)
    before, after = (float((course.occupancy * c).sum()) for c in (course.start, course.end))
    assert after == pytest.approx(before, rel=1e-4)
    assert course.degree[0] == 0.0
    assert np.all(np.diff(course.degree) > 0.0)
    assert course.degree[-1] == pytest.approx(1.0, abs=0.001)


def test_sizes_on_the_grid_are_those_asked_for():
    for particle, volume_nm3 in zip(PARTICLES, (2144.7, 4096.0, np.pi * 36 * 12 + 904.8), strict=True):
        course = al.simulate_diffusion(particle, [1.0], d_m2_per_s=1e-19)
        assert course.occupancy.sum() * particle.voxel_nm**3 == pytest.approx(volume_nm3, rel=0.02)


def test_only_d_times_time_matters_and_a_temperature_is_its_arrhenius_d():
    ball = PARTICLES[0]
    one = al.simulate_diffusion(ball, [10, 40], d_m2_per_s=2.4e-19)
    other = al.simulate_diffusion(ball, [5, 20], d_m2_per_s=4.8e-19)
    np.testing.assert_allclose(one.degree, other.degree, rtol=1e-6)
    assert al.simulate_diffusion(ball, [10, 40], temperature_c=450).d_m2_per_s == 2.4e-19
    hotter = al.simulate_diffusion(ball, [10], temperature_c=500).d_m2_per_s
    ln_ratio = 208e3 / R_J_PER_MOL_K * (1.0 / 723.15 - 1.0 / 773.15)
    assert hotter == pytest.approx(2.4e-19 * np.exp(ln_ratio))


def test_coarse_voxels_are_said_to_be():
    course = al.simulate_diffusion(al.CoreShell("sphere", 10.0, 8.0, voxel_nm=2.0), [1.0], d_m2_per_s=1e-19)
    assert course.quality.startswith("poor: voxels of 2 nm")


@pytest.mark.parametrize(("method", "within"), [("mlem", 0.002), ("osem", 0.002), ("sirt", 0.03)])
def test_a_reconstruction_keeps_the_total_intensity(method, within, ball):
    images = al.project(ball, TILTS)
    found = al.reconstruct(images, TILTS, method=method, aligned=True, iterations=20)
    assert found.volume.sum() == pytest.approx(images.sum(axis=(1, 2)).mean(), rel=within)
    assert np.corrcoef(found.volume.ravel(), ball.ravel())[0, 1] > 0.9


def test_shifts_bring_content_back_to_where_it_was(ball):
    images = al.project(ball, TILTS)
    moved = np.array([(n % 3 - 1, (n + 1) % 4 - 1.5) for n in range(len(TILTS))])
    spoilt = np.stack([np.roll(i, tuple(np.int64(m)), (0, 1)) for i, m in zip(images, moved, strict=True)])
    found = al.align(spoilt, TILTS)
    left = found.shifts_px + np.int64(moved)
    assert np.abs(left - left.mean(axis=0)).max() < 0.5
    assert found.residual_px < 0.2
    assert found.images.shape == images.shape
    one_step = al.reconstruct(spoilt, TILTS, iterations=5).volume
    two_steps = al.reconstruct(found.images, TILTS, iterations=5, aligned=True).volume
    assert np.corrcoef(one_step.ravel(), two_steps.ravel())[0, 1] > 0.999


def arrhenius_data(rng):
    nominal_c = np.array([400.0, 420.0, 440.0, 460.0] * 2)
    offset_c = np.repeat([0.0, -34.0], 4)
    d = 2.6e-4 * np.exp(-208e3 / R_J_PER_MOL_K / (nominal_c + offset_c + 273.15))
    return nominal_c, d * np.exp(rng.normal(0.0, 0.02, 8)), 0.02 * d, ["centre"] * 4 + ["edge"] * 4


def test_the_other_window_as_reference_flips_the_sign(rng):
    data = arrhenius_data(rng)
    one = al.fit_arrhenius(*data, reference="centre")
    other = al.fit_arrhenius(*data, reference="edge")
    assert one.offsets_c["edge"].value == pytest.approx(-other.offsets_c["centre"].value, abs=1.0)
    assert one.offsets_c["edge"].value < -25.0
    assert other.offsets_c["centre"].value > 25.0
    assert abs(one.offsets_c["edge"].value + 34.0) < 3.0 * one.offsets_c["edge"].std
    assert abs(one.q_j_per_mol.value - 208e3) < 3.0 * one.q_j_per_mol.std
    assert one.quality == "good"


def test_the_order_of_the_measurements_does_not_matter(rng):
    t, d, std, windows = arrhenius_data(rng)
    order = rng.permutation(len(t))
    mixed = al.fit_arrhenius(t[order], d[order], std[order], [windows[n] for n in order], reference="centre")
    straight = al.fit_arrhenius(t, d, std, windows, reference="centre")
    assert mixed.q_j_per_mol.value == pytest.approx(straight.q_j_per_mol.value, rel=1e-4)
    assert mixed.offsets_c["edge"].value == pytest.approx(straight.offsets_c["edge"].value, abs=0.05)


@pytest.mark.parametrize("relative_std", [0.001, 0.02, 0.3])
def test_the_errors_grow_with_those_of_the_data(relative_std):
    t = np.array([400.0, 420.0, 440.0, 460.0])
    d = 2.6e-4 * np.exp(-208e3 / R_J_PER_MOL_K / (t + 273.15))
    law = al.fit_arrhenius(t, d, relative_std * d)
    inverse = 1.0 / (t + 273.15)
    expected = R_J_PER_MOL_K * relative_std / np.sqrt(np.sum((inverse - inverse.mean()) ** 2))
    assert law.q_j_per_mol.std == pytest.approx(expected, rel=0.05)


def test_d_that_cannot_tell_give_none_and_say_why():
    law = al.fit_arrhenius([450.0, 450.0], [2e-19, 1e-19], [1e-21, 1e-21], ["centre", "edge"])
    assert law.value is None
    assert law.offsets_c["edge"].value is None
    assert law.quality.startswith("poor: ")
    with_prior = al.fit_arrhenius(
        [450.0, 450.0], [2e-19, 1e-19], [1e-21, 1e-21], ["centre", "edge"], q_prior_j_per_mol=(208e3, 10e3)
    )
    assert with_prior.offsets_c["edge"].value < 0.0


def test_a_law_that_misses_is_said_to_be_poor():
    law = al.fit_arrhenius([400.0, 420.0, 440.0, 460.0], [1e-20, 9e-20, 1e-20, 9e-20], [1e-22] * 4)
    assert law.quality.startswith("poor: the law misses")
