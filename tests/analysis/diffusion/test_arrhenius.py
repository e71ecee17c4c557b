"""Windows of different temperature and the activation energy, on data made by the law itself."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.diffusion.activation_energy import ActivationEnergy
from analysis.diffusion.arrhenius import Followed, fit_arrhenius
from analysis.diffusion.uncertainty import Uncertainty
from drivers.frames import HeatPulse

Q, D0 = 208e3, 3.4e-19 * np.exp(208e3 / 8.314462618 / 723.15)
STEPS_C = (400.0, 410.0, 420.0, 430.0)


def followed(window: str, offset_c: float, rng=None, std: float = 0.01, steps_c=STEPS_C, shared: float = 0.004):
    """Two minutes at each temperature; a state after each."""
    d = D0 * np.exp(-Q / 8.314462618 / (np.array(steps_c) + offset_c + 273.15))
    seconds = 120.0 * np.tril(np.ones((len(steps_c), len(steps_c))))
    ln_tau = np.log(seconds @ d * 1e18)
    if rng is not None:
        ln_tau = ln_tau + rng.normal(0.0, std, len(steps_c)) + rng.normal(0.0, shared)
    return Followed(window, window, tuple(steps_c), seconds, ln_tau, np.full(len(steps_c), std), shared)


def test_offset_activation_energy_and_d0_come_out_of_exact_data():
    found = fit_arrhenius([followed("centre", 0.0), followed("edge", -34.0)], simulated=True)
    assert found.offsets_c["edge"].value == pytest.approx(-34.0, abs=0.01)
    assert found.q_j_per_mol.value == pytest.approx(Q, rel=1e-4)
    assert found.d0_m2_per_s.value == pytest.approx(D0, rel=2e-3)
    assert "window edge is 34.0" in next(iter(found.words()))
    assert "colder than centre" in next(iter(found.words()))


def test_one_state_after_two_temperatures_tells_no_law():
    after_both = followed("centre", 0.0)
    last = {name: getattr(after_both, name)[-1:] for name in ("seconds", "ln_tau", "ln_std")}
    assert fit_arrhenius([replace(after_both, **last)], simulated=True) is None


def test_taking_the_other_window_as_the_reference_flips_the_sign():
    rng = np.random.default_rng(3)
    a, b = followed("centre", 0.0, rng), followed("edge", -34.0, rng)
    one = fit_arrhenius([a, b], simulated=True).offsets_c["edge"]
    other = fit_arrhenius([b, a], simulated=True).offsets_c["centre"]
    assert one.value == pytest.approx(-other.value, abs=1.0)
    assert one.std == pytest.approx(other.std, rel=0.2)


@pytest.mark.parametrize("truth_c", [-34.0, pytest.param(0.0, marks=pytest.mark.slow)])
def test_intervals_cover_the_true_offset_as_often_as_they_say(truth_c):
    pulls, covered, claims, qs = [], [], [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found = fit_arrhenius(
            [followed("centre", 0.0, rng, 0.02), followed("edge", truth_c, rng, 0.02)], simulated=True
        )
        d = found.offsets_c["edge"]
        pulls.append((d.value - truth_c) / d.std)
        covered.append(d.low < truth_c < d.high)
        claims.append(d.sigmas > 2.0)
        qs.append((found.q_j_per_mol.value - Q) / found.q_j_per_mol.std)
    # Five degrees of freedom and a scale of at least one: sigma is a little wide.
    assert 0.62 < np.mean(np.abs(pulls) < 1.0) < 0.82
    assert np.mean(np.abs(pulls) < 2.0) > 0.93
    assert 0.62 < np.mean(covered) < 0.82
    assert abs(np.mean(pulls)) < 0.2
    assert 0.6 < np.mean(np.abs(qs) < 1.0) < 0.85
    assert np.mean(claims) == 1.0 if truth_c else np.mean(claims) < 0.08


def test_one_of_three_windows_is_found_to_be_colder():
    rng = np.random.default_rng(1)
    found = fit_arrhenius([followed("a", 0.0, rng), followed("b", -20.0, rng), followed("c", 0.0, rng)], simulated=True)
    b, c = found.offsets_c["b"], found.offsets_c["c"]
    assert abs(b.value + 20.0) < 3.0 * b.std < 6.0
    assert b.sigmas > 5.0
    assert c.sigmas < 2.0
    assert "no difference between windows c and a" in list(found.words())[1]


def test_one_temperature_takes_a_prior_on_the_activation_energy():
    rng = np.random.default_rng(2)
    first = [followed("centre", 0.0, rng, steps_c=(400.0,)), followed("edge", -34.0, rng, steps_c=(400.0,))]
    assert fit_arrhenius(first, simulated=True) is None
    stds = []
    for q_std in (5e3, 20e3):
        d = fit_arrhenius(
            first, simulated=True, prior=ActivationEnergy(q_j_per_mol=Q, q_std_j_per_mol=q_std)
        ).offsets_c["edge"]
        assert abs(d.value + 34.0) < 3.0 * d.std
        stds.append(d.std)
    # dT = ln(D ratio) R T^2 / Q: what is not known of Q comes in in proportion.
    assert stds[1] == pytest.approx(34.0 * 20.0 / 208.0, rel=0.3)
    assert stds[0] < 0.5 * stds[1]


def test_particles_of_one_window_give_the_activation_energy_alone():
    found = fit_arrhenius([followed("centre", 0.0)], simulated=True)
    assert found.offsets_c == {}
    assert found.q_j_per_mol.value == pytest.approx(Q, rel=1e-4)
    assert fit_arrhenius([], simulated=True) is None


@pytest.mark.parametrize(
    ("shared", "least", "most"),
    [(1.0, 0.65, 0.95), pytest.param(0.7, 0.6, 0.85, marks=pytest.mark.slow), (0.0, 0.45, 0.8)],
)
def test_what_all_particles_share_hardly_widens_an_offset_but_does_the_activation_energy(shared, least, most):
    """An error that changes smoothly with the diffusion done, more or less alike in both windows; and plain noise."""
    size, together = 0.02, []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        pair = followed("centre", 0.0, rng), followed("edge", -34.0, rng)
        ln_tau = np.concatenate([p.ln_tau for p in pair])
        alike = np.exp(-0.5 * ((ln_tau[:, None] - ln_tau) / 2.0) ** 2)
        alike[:4, 4:] *= shared
        alike[4:, :4] *= shared
        errors = size * (np.linalg.cholesky(alike + 1e-9 * np.eye(8)) @ rng.normal(size=8)).reshape(2, 4)
        moved = [
            replace(p, ln_tau=p.ln_tau + e, floor_ln_std=np.full(4, size)) for p, e in zip(pair, errors, strict=True)
        ]
        together.append(fit_arrhenius(moved, simulated=True))
    alone = fit_arrhenius([replace(p, ln_std=np.hypot(p.ln_std, size)) for p in pair], simulated=True)
    offset_std, q_std = together[0].offsets_c["edge"].std, together[0].q_j_per_mol.std
    assert offset_std < 0.9 * alone.offsets_c["edge"].std
    assert q_std > 0.8 * alone.q_j_per_mol.std
    assert least < np.mean([abs(f.offsets_c["edge"].value + 34.0) < offset_std for f in together]) < most
    assert 0.5 < np.mean([abs(f.q_j_per_mol.value - Q) < q_std for f in together]) < 0.9


def test_systematic_sigma_is_what_wrong_heat_does():
    known = Uncertainty(temperature_c=2.3, pulse_c=1.0)
    pulses = tuple(HeatPulse(t, 120.0, 3.0) for t in STEPS_C)
    rng, qs, offsets = np.random.default_rng(5), [], []
    for _ in range(300):
        true_c = np.array(STEPS_C) + rng.normal(0.0, 2.3) + rng.normal(0.0, 1.0, len(STEPS_C))
        longer = 1.0 + rng.normal(0.0, 3.0 / 120.0, len(STEPS_C))
        both = []
        for window, offset_c in (("centre", 0.0), ("edge", -34.0)):
            told = followed(window, offset_c)
            d = D0 * np.exp(-Q / 8.314462618 / (true_c + offset_c + 273.15))
            ln_tau = np.log(told.seconds @ (longer * d) * 1e18)
            both.append(replace(told, ln_tau=ln_tau, pulses=pulses))
        found = fit_arrhenius(both, simulated=True, uncertainty=known)
        qs.append(found.q_j_per_mol.value)
        offsets.append(found.offsets_c["edge"].value)
    assert np.std(qs) == pytest.approx(found.q_std_systematic, rel=0.15)
    assert np.std(offsets) == pytest.approx(found.offsets_c["edge"].std_systematic, rel=0.25)
    # The windows share their heat: only its differences between temperatures tell on their offset.
    assert found.offsets_c["edge"].budget_c["temperature calibration"] < 0.1
    assert "(syst)" in " ".join(found.words())
