"""A particle model, its projections, and what the fits find in them."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.diffusion.diffusivity_law import CONSTANT
from analysis.diffusion.heated_state import HeatedState, fit_heated_state
from analysis.diffusion.joint_fit import fit_joint
from analysis.diffusion.state_equations import SharedInformation
from analysis.diffusion.state_slopes import StatePoint
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.change import Change
from analysis.particle_model.exposures import Exposures
from analysis.particle_model.forward_model import ForwardModel
from analysis.particle_model.model import ParticleModel
from analysis.particle_model.response import SignalResponse
from analysis.particle_model.surroundings import interpolation
from analysis.tomography.alignment import shifted
from analysis.tomography.noise import Noise
from analysis.tomography.projections import Projections
from analysis.unheated.first_state import fit_first_state
from analysis.unheated.linear_projections import (
    _CURVATURE_PRIOR,
    _MIXED_PRIOR_PX2,
    NUISANCES,
    LinearProjections,
)
from analysis.unheated.segmentation import TwoPhase
from analysis.unheated.sensitivity import Sensitivity, sensitivity

TILTS = np.arange(-70.0, 71.0, 5.0)
ROWS = 48
VOXEL_NM = 1.0
STRAIGHT = Exposures(np.zeros((29, 2)), np.zeros(29), np.ones(29), np.zeros(29))


def heated(ln_tau: float, ln_std: float = 0.01) -> HeatedState:
    """A state that tells ln tau and nothing else."""
    point = StatePoint(ln_tau, 0.0, CONSTANT, 1.0, Change.none())
    told = SharedInformation(point.shared, np.diag([ln_std**-2.0, 0.0, 0.0, 0.0]), np.zeros(4))
    return HeatedState(point, ln_std, ln_std, False, STRAIGHT, 1.0, told)  # nothing became of it


def model(radius: float = 10.3, core: float = 6.2) -> ParticleModel:
    axes = np.meshgrid(np.arange(30) - 14.5, np.arange(30) - 14.5, np.arange(32) - 15.2, indexing="ij")
    r = np.sqrt(sum(a**2 for a in axes)).astype(np.float32)
    return ParticleModel(
        outside=r - np.float32(radius),
        interface=r - np.float32(core),
        shell_level=20.0,
        core_step=28.0,
        blur_px=0.9,
        surroundings=np.zeros((12, 12, 8), np.float32),
        rows=ROWS,
        first_column=9,
    )


def noisy(particle: ParticleModel, composition, rng, gain: float = 1.0, jitter_px: float = 0.5) -> np.ndarray:
    """A tilt series over a field of 50 columns, not aligned."""
    _, projected, _ = particle.projected(composition, TILTS)
    stack = np.zeros((len(TILTS), ROWS, 50), np.float32)
    stack[:, :, particle.columns] = projected
    stack = shifted(stack, rng.uniform(-jitter_px, jitter_px, (len(TILTS), 2)))
    return (gain * rng.poisson(np.maximum(stack, 0) / gain)).astype(np.float32)


def recorded(raw: np.ndarray) -> Projections:
    """Not aligned at all."""
    return Projections(raw, TILTS, np.zeros((len(TILTS), 2)), Noise(1.0, 0.0))


@pytest.mark.parametrize("swept_deg", [0.0, 3.0])
def test_projection_and_back_projection_of_a_scene_are_adjoint(rng, swept_deg):
    scene = ForwardModel((30, 30, 32), ROWS, TILTS, 0.9, swept_deg)
    box, stack = rng.normal(size=(30, 30, 32)), rng.normal(size=(len(TILTS), ROWS, 32))
    around = rng.normal(size=(12, 12, 8))
    box, stack, around = (a.astype(np.float32) for a in (box, stack, around))
    scale = np.linalg.norm(box) * np.linalg.norm(stack)
    assert abs(np.vdot(scene.particle(box), stack) - np.vdot(box, scene.particle_back(stack))) < 1e-5 * scale
    assert abs(np.vdot(scene.around(around), stack) - np.vdot(around, scene.around_back(stack))) < 1e-5 * scale


def test_an_exposure_during_a_sweep_is_the_mean_of_many(rng):
    box = np.zeros((30, 30, 32), np.float32)
    box[6:10, 3:27, 8:24] = 1.0
    swept = ForwardModel(box.shape, ROWS, TILTS, 0.9, 3.0).particle(box)
    many = [ForwardModel(box.shape, ROWS, TILTS + off, 0.9).particle(box) for off in 3.0 * (np.arange(9) - 4.0) / 9.0]
    still = ForwardModel(box.shape, ROWS, TILTS, 0.9).particle(box)
    mean = np.mean(many, axis=0)
    assert np.abs(swept - mean).max() < 0.2 * np.abs(still - mean).max()


def test_a_particle_as_bright_as_its_surroundings_cannot_be_seen():
    particle = replace(model(), shell_level=3.0, core_step=0.0, surroundings=np.full((12, 12, 8), 3.0, np.float32))
    scene, seen, _ = particle.projected(particle.composition, TILTS)
    np.testing.assert_allclose(seen, scene.around(particle.surroundings), atol=1e-4)


def test_layers_of_a_coat_add_up_and_follow_the_surface():
    layers = model().coats()
    np.testing.assert_allclose(sum(layers), 1.0, atol=1e-6)
    centre = tuple(n // 2 for n in layers[0].shape)
    assert layers[0][centre] == 1.0
    reach = [float(layer.sum()) for layer in layers[:2]]
    assert 0 < reach[1] < layers[0].size


def test_the_slopes_of_the_projections_and_their_adjoint(rng):
    particle = replace(model(), surroundings=np.full((12, 12, 8), 1.0, np.float32))
    linear = LinearProjections(particle, recorded(noisy(particle, particle.composition, rng)), STRAIGHT, (1.5, 6.0))
    ahead = linear.backward(np.zeros((29, ROWS, 32), np.float32))
    unknowns = [rng.normal(size=u.shape).astype(u.dtype) for u in ahead]
    stack = rng.normal(size=(29, ROWS, 32)).astype(np.float32)
    there, back = linear.forward(unknowns), linear.backward(stack)
    around = sum(float(np.vdot(u, b)) for u, b in zip(unknowns, back, strict=True))
    assert abs(np.vdot(there, stack) - around) < 1e-5 * np.linalg.norm(there) * np.linalg.norm(stack)


def test_what_a_series_leaves_open_of_d_falls_with_the_root_of_the_dose(rng):
    truth = model()
    path = CompositionTrajectory(truth, VOXEL_NM)
    stds = []
    for gain in (1.0, 0.25):
        known = replace(recorded(noisy(truth, truth.composition, rng, gain, 0.0)), noise=Noise(gain, 0.0))
        linear = LinearProjections(truth, known, STRAIGHT, (1.5, 6.0))
        stds.append(linear.stds_of(sensitivity(truth, path, TILTS, known.noise))[0])
    assert 1.3 < stds[0] / stds[1] < 2.1
    assert 0.0005 < stds[0] < 0.05


@pytest.mark.parametrize(("steps", "within"), [(30, 0.15), (200, 0.02)])
def test_what_nuisances_leave_open_is_what_the_whole_equations_say(rng, monkeypatch, steps, within):
    """As SciPy solves them to the end; thirty steps, which ours take, leave some of it."""
    from scipy.sparse.linalg import LinearOperator, cg

    particle = replace(model(), response=SignalResponse(top=900.0))
    raw = noisy(particle, particle.composition, rng, jitter_px=0.0)
    linear = LinearProjections(particle, recorded(raw), STRAIGHT, (1.5, 6.0))
    shapes = [u.shape for u in linear.backward(np.zeros((29, ROWS, 32), np.float32))]
    ends = np.cumsum([int(np.prod(s)) for s in shapes])

    def parted(flat):
        parts = np.split(np.asarray(flat, np.float64).ravel(), ends[:-1])
        sized = [p.reshape(s) for p, s in zip(parts, shapes, strict=True)]
        return [*(p.astype(np.float32) for p in sized[:3]), *sized[3:]]

    def together(unknowns):
        return np.concatenate([np.ravel(u) for u in unknowns]).astype(np.float64)

    equations = LinearOperator((ends[-1],) * 2, matvec=lambda u: together(linear._normal(parted(u))), dtype=float)
    preconditioner = LinearOperator((ends[-1],) * 2, matvec=lambda u: together(linear._precondition(parted(u))))
    units = np.zeros((2, ends[-1]))
    units[[0, 1], [ends[2] + 3, ends[2] + 4]] = 1.0  # curvature of the response, mixed metals
    ends_at = [[cg(equations, u, rtol=1e-6, maxiter=n, M=preconditioner)[0] for u in units] for n in (150, 300)]
    sooner, covariance = ([column[units.any(axis=0)] for column in columns] for columns in ends_at)
    np.testing.assert_allclose(sooner, covariance, rtol=0.01)
    monkeypatch.setattr("analysis.unheated.linear_projections._CG_STEPS", steps)
    nothing = Sensitivity(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for which in ((1.0, 0.0), (0.0, 1.0), (2.0, 1.0)):
        asked = replace(nothing, curvature=which[0] / _CURVATURE_PRIOR, mixed_per_px2=which[1] / _MIXED_PRIOR_PX2)
        expected = float(np.sqrt(np.array(which) @ np.array(covariance) @ np.array(which)))
        known, added = linear.stds_of(asked)
        assert known == 0.0
        assert added == pytest.approx(expected, rel=within)


def test_a_response_that_bends_is_told_and_a_straight_one_is_not(rng):
    straight = model()
    top = float(straight.projected(straight.composition, TILTS)[1].max())
    straight = replace(straight, response=SignalResponse(top=top))
    bent = replace(straight, response=straight.response.bent(0.2))

    def about_straight(particle):
        signal = particle.response.signal(particle.projected(particle.composition, TILTS)[1])
        raw = np.zeros((len(TILTS), ROWS, 50), np.float32)
        raw[:, :, particle.columns] = rng.poisson(np.maximum(signal, 0.0))
        return LinearProjections(straight, recorded(raw), STRAIGHT, (1.5, 6.0))

    assert all(abs(about_straight(straight).told_of(name)) < 4.0 for name in NUISANCES)
    assert about_straight(bent).told_of("response") > 4.0


@pytest.mark.parametrize("n", [47, 48, 50])
def test_interpolation_keeps_a_constant_and_a_slope(n):
    coarse = -(-n // 4)
    matrix = interpolation(n, coarse)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)
    straight = matrix @ ((np.arange(coarse) - 0.5 * (coarse - 1)) * 4.0)
    inner = slice(3, n - 3)
    np.testing.assert_allclose(straight[inner], (np.arange(n) - 0.5 * (n - 1))[inner], atol=1e-4)


@pytest.mark.parametrize("seed", [1, 2])
def test_surfaces_and_levels_come_out_of_a_poor_segmentation(seed):
    rng = np.random.default_rng(seed)
    truth = model()
    raw = noisy(truth, truth.composition, rng)
    axes = np.meshgrid(np.arange(ROWS) - 23.5, np.arange(ROWS) - 23.5, np.arange(50) - 24.2, indexing="ij")
    r = np.sqrt(sum(a**2 for a in axes))
    # One voxel too small outside, one too large inside, levels off by a tenth, and no alignment at all.
    start = TwoPhase(r < 9.3, r < 7.2, 22.0, 46.0, 1.2)
    found = fit_first_state(recorded(raw), start, 0)
    assert found.model.volume_px == pytest.approx(truth.volume_px, rel=0.01), f"seed {seed}"
    assert found.model.core_fraction == pytest.approx(truth.core_fraction, rel=0.015), f"seed {seed}"
    assert found.model.shell_level == pytest.approx(20.0, rel=0.015)
    assert found.model.core_step == pytest.approx(28.0, rel=0.03)
    # Empty pixels miss by less than the floor of the expected variance.
    assert found.misfit < 1.3


def test_tau_of_a_heated_state_is_found_within_its_error():
    truth = model()
    path = CompositionTrajectory(truth, VOXEL_NM)
    pulls = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        ln_tau = float(np.log([3.0, 10.0, 25.0, 6.0][seed % 4]))
        raw = 1.02 * noisy(truth, path.at(ln_tau)[0], rng)
        raw = np.roll(raw, seed % 3 - 1, axis=2)
        state = fit_heated_state(recorded(raw), truth, path)
        assert state.point.scale == pytest.approx(1.02, rel=0.01), f"seed {seed}"
        pulls.append((state.ln_tau - ln_tau) / state.ln_std)
    assert np.abs(pulls).max() < 3.5
    assert 0.3 < np.std(pulls) < 2.0


def test_degree_rises_from_none_to_all_and_knows_its_slope():
    path = CompositionTrajectory(model(), VOXEL_NM)
    low, high = path.range
    degrees = [path.degree(x) for x in np.linspace(low, high, 30)]
    assert np.all(np.diff(degrees) > -1e-4)
    assert degrees[0] < 0.1
    assert degrees[-1] > 0.99
    assert path.degree_slope(2.0) == pytest.approx((path.degree(2.02) - path.degree(1.98)) / 0.04, rel=0.03)


def test_joint_fit_gives_one_d_per_temperature():
    seconds = np.array([[60.0, 0.0], [120.0, 0.0], [120.0, 60.0], [120.0, 180.0]])
    ln_tau = np.log(seconds @ np.array([0.05, 0.2]))
    told, slope = [heated(t) for t in ln_tau], np.full(4, 0.2)
    fit = fit_joint(seconds, (400.0, 430.0), told, slope, surface_ln_std=0.0)
    np.testing.assert_allclose(fit.d_m2_per_s, [0.05e-18, 0.2e-18], rtol=1e-4)
    half = fit_joint(2 * seconds, (400.0, 430.0), told, slope, surface_ln_std=0.0)
    np.testing.assert_allclose(half.d_m2_per_s, 0.5 * fit.d_m2_per_s, rtol=1e-4)


def test_states_that_say_nothing_only_bound_d():
    seconds = np.array([[15.0], [30.0]])
    fit = fit_joint(seconds, (450.0,), [heated(6.0, np.inf), heated(6.0, 0.9)], np.full(2, 1e-3), surface_ln_std=0)
    assert fit.saturated
    assert not np.isfinite(fit.std_m2_per_s[0])


def test_sigma_of_the_joint_fit_covers_scatter_and_surface(rng):
    seconds = np.array([15.0, 30, 60, 120, 300])[:, None]
    pulls = []
    for _ in range(300):
        size = rng.normal(0.0, 0.01)
        ln_tau = np.log(0.24 * seconds[:, 0]) + rng.normal(0, 0.01, 5) + size
        fit = fit_joint(seconds, (450.0,), [heated(t) for t in ln_tau], np.full(5, 0.5), surface_ln_std=0.01)
        pulls.append(np.log(fit.d_m2_per_s[0] / 0.24e-18) / (fit.std_m2_per_s[0] / fit.d_m2_per_s[0]))
    assert 0.6 < np.mean(np.abs(pulls) < 1.0) < 0.8
