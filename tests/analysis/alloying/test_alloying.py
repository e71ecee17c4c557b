import numpy as np
import pytest
from scipy.special import erfinv

from analysis.alloying.curve_fit import fit_diffusivity
from analysis.alloying.simulated_measurement import AlloyingCurve, Reading
from analysis.alloying.spread import SPREADS, degree_of, quantiles_of
from analysis.tomography.noise import darkest_level, estimate_noise
from analysis.tomography.projector import project

TILTS = np.arange(-70.0, 71.0, 4.0)
BELL = np.sqrt(2.0) * erfinv(2.0 * (np.arange(1000) + 0.5) / 1000 - 1.0)


@pytest.mark.parametrize(("gain", "read"), [(1.0, 0.0), (12.0, 6.0), (0.2, 0.5)])
def test_gain_and_offset_are_read_from_the_images(rng, core_shell, gain, read):
    electrons = rng.poisson(8.0 * project(core_shell(48), TILTS))
    stack = (electrons * gain + rng.normal(0, read, electrons.shape) + 100.0).astype(np.float32)
    offset = darkest_level(stack)
    assert offset == pytest.approx(100.0, abs=3.0 * max(gain, read))
    assert estimate_noise(stack - offset).gain == pytest.approx(gain, rel=0.35)


def curve() -> AlloyingCurve:
    tau = np.r_[0.0, np.geomspace(0.2, 300.0, 18)]
    degree = 1.0 - np.exp(-np.sqrt(tau / 12.0))
    shape = np.ones((10, 10, 10), bool)
    readings = tuple(Reading(1.0 + (1.0 - 0.8 * d) * BELL, 1000, shape) for d in degree)
    return AlloyingCurve(tau, degree, readings, degree, Reading(1.0 + 0.2 * BELL, 1000, shape))


def test_a_particle_that_is_alloyed_before_its_last_reading_has_a_curve():
    """A thin rod is: its last readings tell nothing apart, and once ended the analysis of a session."""
    usual = curve()
    simulated = np.minimum(usual.simulated * 1.02, 1.0)
    assert np.count_nonzero(simulated == 1.0) > 1
    thin = AlloyingCurve(usual.tau_nm2, simulated, usual.readings, simulated, usual.alloyed)
    degrees = thin.degree(np.linspace(0.0, 300.0, 200))
    assert np.isfinite(degrees).all()
    assert np.diff(degrees).min() > -0.02


def test_the_fit_returns_the_d_that_made_the_data():
    seconds = np.array([15.0, 30, 60, 120, 300])[:, None]
    degree = curve().degree(0.24 * seconds[:, 0])
    fit = fit_diffusivity(curve(), seconds, (450.0,), degree, surface_ln_std=0.0, level_degree=0.0)
    assert fit.d_m2_per_s[0] == pytest.approx(2.4e-19, rel=1e-3)
    assert not fit.saturated


def test_one_d_per_temperature_and_doubling_the_time_halves_d():
    seconds = np.array([[60.0, 0.0], [120.0, 0.0], [120.0, 60.0], [120.0, 180.0]])
    degree = curve().degree(seconds @ np.array([0.05, 0.2]))
    fit = fit_diffusivity(curve(), seconds, (400.0, 430.0), degree, surface_ln_std=0.0, level_degree=0.0)
    np.testing.assert_allclose(fit.d_m2_per_s, [0.05e-18, 0.2e-18], rtol=5e-3)
    half = fit_diffusivity(curve(), 2 * seconds, (400.0, 430.0), degree, surface_ln_std=0.0, level_degree=0.0)
    np.testing.assert_allclose(half.d_m2_per_s, 0.5 * fit.d_m2_per_s, rtol=5e-3)


def test_sigma_covers_the_scatter_of_noisy_degrees(rng):
    seconds = np.array([15.0, 30, 45, 60, 90, 120, 180, 300])[:, None]
    truth = curve().degree(0.24 * seconds[:, 0])
    pulls = []
    for _ in range(200):
        noisy = truth + rng.normal(0.0, 0.02, truth.shape)
        fit = fit_diffusivity(curve(), seconds, (450.0,), noisy, surface_ln_std=0.0, level_degree=0.0)
        pulls.append((fit.d_m2_per_s[0] - 2.4e-19) / fit.std_m2_per_s[0])
    within = np.mean(np.abs(pulls) < 1.0)
    assert 0.58 < within < 0.78


@pytest.mark.parametrize("stays", [0.0, 1.0])
def test_the_part_of_an_artefact_that_stays_is_told_by_late_states(stays):
    """All of it is 0.01 of a degree in every state; until the late ones come sigma owns up to it."""
    seconds = np.array([15.0, 30, 60, 120, 300, 900, 3000])[:, None]
    artefact = np.full(7, 0.01)
    degree = curve().degree(0.24 * seconds[:, 0]) - stays * artefact
    known = {"surface_ln_std": 0.0, "level_degree": 0.0}
    early = fit_diffusivity(curve(), seconds[:3], (450.0,), degree[:3], artefact_degree=artefact[:3], **known)
    late = fit_diffusivity(curve(), seconds, (450.0,), degree, artefact_degree=artefact, **known)
    blind = fit_diffusivity(curve(), seconds[:3], (450.0,), degree[:3], **known)
    errors = [abs(f.d_m2_per_s[0] - 0.24e-18) for f in (early, late)]
    assert errors[1] < 0.5 * errors[0]
    assert errors[0] < 1.5 * early.std_m2_per_s[0]
    assert errors[1] < 1.5 * late.std_m2_per_s[0]
    assert early.std_m2_per_s[0] > 1.3 * blind.std_m2_per_s[0]


def test_a_particle_alloyed_at_once_only_bounds_d():
    seconds = np.array([15.0, 30.0])[:, None]
    fit = fit_diffusivity(curve(), seconds, (450.0,), np.array([1.02, 1.01]), surface_ln_std=0.0, level_degree=0.0)
    assert fit.saturated
    assert not np.isfinite(fit.std_m2_per_s[0])


@pytest.mark.parametrize("name", sorted(SPREADS))
def test_every_measure_of_spread_runs_from_none_to_all_and_ignores_the_scale(name, rng):
    start = rng.normal(10.0, 3.0, 20000)
    alloyed = 10.0 + (start - 10.0) * 0.1
    now = 10.0 + (start - 10.0) * 0.6
    q0, q1, q = (quantiles_of(v) for v in (start, alloyed, now))
    spread = SPREADS[name]
    assert degree_of(spread, q0, q0, q1) == pytest.approx(0.0, abs=1e-9)
    assert degree_of(spread, q0, q1, q1) == pytest.approx(1.0, abs=1e-9)
    scaled = quantiles_of(7.0 * now)
    assert degree_of(spread, q0, scaled, q1) == pytest.approx(degree_of(spread, q0, q, q1), abs=1e-9)
    linear = (0.4 / 0.9) if name != "variance" else (1.0 - 0.36) / (1.0 - 0.01)
    assert degree_of(spread, q0, q, q1) == pytest.approx(linear, abs=0.01)


def test_a_few_wild_voxels_do_not_move_the_robust_measures(rng):
    values = rng.normal(10.0, 1.0, 20000)
    wild = values.copy()
    wild[:100] = 60.0
    calm, upset = quantiles_of(values), quantiles_of(wild)
    for name in ("mad", "iqr"):
        assert SPREADS[name](upset, upset) == pytest.approx(SPREADS[name](calm, calm), rel=0.08)
    assert SPREADS["std"](upset, upset) > 2.0 * SPREADS["std"](calm, calm)
