"""Decisions of steered heating, on a particle whose course and noise are made up here."""

import msgspec
import numpy as np
import pytest

from analysis.diffusion.activation_energy import ActivationEnergy
from analysis.results import Arrhenius, Diffusivity, DiffusivityResult, Estimate, WindowOffset
from controller.heat.steering import Known, decide
from controller.plan.blocks import SteeredBlock

TAU_NM2 = tuple(float(t) for t in np.r_[0.0, np.geomspace(0.2, 600.0, 25)])
D_NM2_PER_S = 0.24
FIXED_S = np.cumsum([15.0, 15, 15, 15, 30, 30, 60, 120, 300])


def course(tau_nm2):
    return 1.0 - np.exp(-((np.asarray(tau_nm2) / 30.0) ** 0.8))


def block(**more) -> SteeredBlock:
    return SteeredBlock(
        **{
            "kind": "steered",
            "policy": "until",
            "particle": "A",
            "temperature_c": 450.0,
            "first_s": 15.0,
            "alloying": 0.5,
            **more,
        }
    )


def measured(total_s: list[float], rng: np.random.Generator, degree_std: float = 0.003) -> DiffusivityResult:
    """What a tilt series after each of these total times would tell of D."""
    tau = D_NM2_PER_S * np.array(total_s)
    slope = (course(1.05 * tau) - course(tau / 1.05)) / (2 * np.log(1.05))
    ln_std = degree_std / slope
    weights = ln_std**-2.0
    ln_d = np.log(D_NM2_PER_S) + np.average(rng.normal(0.0, ln_std), weights=weights)
    std = float(np.hypot(weights.sum() ** -0.5, 0.003))
    d = float(np.exp(ln_d))
    return DiffusivityResult(
        particle="A",
        states=len(total_s),
        diffusivities=(Diffusivity(450.0, d * 1e-18, std * d * 1e-18),),
        heated_s=tuple(total_s),
        measured=tuple(Estimate(float(a), degree_std) for a in course(tau)),
        seconds=(total_s[-1],),
        tau_nm2=tuple(float(t) for t in tau),
        tau_ln_std=tuple(float(s) for s in ln_std),
        course_tau_nm2=TAU_NM2,
        course_degree=tuple(float(a) for a in course(TAU_NM2)),
        course_measured=tuple(float(a) for a in course(TAU_NM2)),
        curve_s=(0.0,),
        curve=(0.0,),
        quality="good",
        simulated=True,
    )


def asked(settings: SteeredBlock, result: DiffusivityResult | None, pulses: int, **more):
    """A decision after this result, all heat of which the tilt series have seen."""
    heat = () if result is None else ((450.0, sum(result.seconds)),)
    return decide(settings, Known(**{"pulses": pulses, "heat": heat, "latest": (result,) if result else ()} | more))


def steered(settings: SteeredBlock, rng: np.random.Generator) -> tuple[list[float], str]:
    """Total times at which tilt series were taken, and why it ended."""
    total_s: list[float] = []
    while True:
        decision = asked(settings, measured(total_s, rng) if total_s else None, len(total_s))
        if decision.what != "pulse":
            return total_s, decision.why
        assert settings.shortest_s <= decision.duration_s <= settings.longest_s
        total_s.append((total_s[-1] if total_s else 0.0) + decision.duration_s)


def test_until_lands_on_the_degree_and_does_not_pass_it():
    ends, pulses = [], []
    for seed in range(100):
        total_s, why = steered(block(), np.random.default_rng(seed))
        assert "alloyed to" in why
        ends.append(float(course(D_NM2_PER_S * total_s[-1])))
        pulses.append(len(total_s))
    assert np.mean(np.abs(np.array(ends) - 0.5) < 0.03) > 0.97
    assert max(ends) < 0.55
    # The fixed schedule takes this many until it has passed the same degree.
    assert np.mean(pulses) < 0.6 * (1 + np.searchsorted(course(D_NM2_PER_S * FIXED_S), 0.5))


def test_until_is_careful_when_d_is_poorly_known():
    rng = np.random.default_rng(0)
    poor = measured([5.0], rng, degree_std=0.02)
    decision = asked(block(), poor, 1)
    d = poor.diffusivities[0].value * 1e18
    sure = d * (1.0 + 2.0 * poor.diffusivities[0].std / poor.diffusivities[0].value)
    assert decision.what == "pulse"
    assert course(sure * (5.0 + decision.duration_s)) < 0.53


def test_most_informative_goes_where_a_tilt_series_tells_most_and_stays_there():
    """The course's slope per ln tau is 0.8 u exp(-u) with u = (tau / 30)**0.8: most at tau = 30."""
    series = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        fixed = measured([float(s) for s in FIXED_S], rng).diffusivities[0]
        wanted = 100.0 * fixed.std / fixed.value
        settings = block(policy="most-informative", sigma_d_percent=wanted * 1.001, first_s=60.0)
        total_s, why = steered(settings, rng)
        assert "was asked" in why
        u = (D_NM2_PER_S * np.array(total_s[1:]) / 30.0) ** 0.8
        assert np.all(u * np.exp(1.0 - u) > 0.97), f"seed {seed}"
        series.append(1 + len(total_s))
    assert np.mean(series) <= 0.75 * (1 + len(FIXED_S))


@pytest.mark.parametrize(
    ("value", "std"), [(np.nan, 1e-21), (2.4e-19, np.inf), (-1e-19, 1e-20)], ids=["nan", "only bounded", "negative"]
)
def test_a_d_that_is_no_number_holds_and_never_guesses(value, std):
    result = msgspec.structs.replace(
        measured([15.0], np.random.default_rng(0)), diffusivities=(Diffusivity(450.0, value, std),), quality="poor: why"
    )
    for policy in ("until", "most-informative"):
        decision = asked(block(policy=policy), result, 1)
        assert decision.what == "hold"
        assert "poor: why" in decision.why
        assert decision.duration_s == 0.0


def test_a_budget_ends_it():
    rng = np.random.default_rng(0)
    one = measured([15.0], rng)
    assert "all that may be given" in asked(block(most_pulses=1), one, 1).why
    assert "would pass 20 s" in asked(block(most_s=20.0), one, 1).why
    stays = asked(block(policy="most-informative", sigma_d_percent=0.01), measured([15.0, 150.0] * 30, rng), 5)
    assert stays.what == "done"
    assert "stays at" in stays.why


def test_the_first_pulse_is_the_users():
    decision = asked(block(first_s=7.5), None, 0)
    assert (decision.what, decision.duration_s) == ("pulse", 7.5)


WINDOWS = {"policy": "most-informative", "about": "windows", "temperatures_c": (400.0, 430.0), "longest_s": 300.0}


def two_windows(total_s: list[float], rng) -> tuple[DiffusivityResult, DiffusivityResult]:
    return measured(total_s, rng), msgspec.structs.replace(measured(total_s, rng), particle="B", window="edge")


def test_about_windows_a_second_temperature_is_chosen_where_the_first_one_cannot_tell(rng):
    latest = two_windows([60.0], rng)
    decision = decide(block(**WINDOWS), Known(1, ((450.0, 60.0),), latest))
    assert decision.what == "pulse"
    assert decision.temperature_c in (400.0, 430.0)
    assert "sigma(dT)" in decision.why


def test_about_windows_a_known_activation_energy_is_used_and_an_aim_ends_it(rng):
    latest = two_windows([60.0], rng)
    prior = ActivationEnergy(q_j_per_mol=208e3, q_std_j_per_mol=10e3)
    known = Known(1, ((450.0, 60.0),), latest, prior=prior)
    assert decide(block(**WINDOWS), known).what == "pulse"
    offset = WindowOffset(value=-30.0, std=0.8, low=-30.8, high=-29.2, sigmas=30.0)
    law = Arrhenius(
        q_j_per_mol=Estimate(2e5, 1e3),
        d0_m2_per_s=Estimate(1e-4, 1e-5),
        reference="centre",
        offsets_c={"edge": offset},
        misfit=1.0,
        simulated=True,
    )
    done = decide(block(**WINDOWS), Known(2, ((450.0, 60.0),), latest, law, prior))
    assert done.what == "done"
    assert "0.8 C" in done.why


def test_about_windows_a_d_that_is_no_number_holds(rng):
    good, bad = two_windows([60.0], rng)
    bad = msgspec.structs.replace(bad, diffusivities=(Diffusivity(450.0, np.nan, 1e-21),), quality="poor: lost")
    decision = decide(block(**WINDOWS), Known(1, ((450.0, 60.0),), (good, bad)))
    assert decision.what == "hold"
    assert "poor: lost" in decision.why


@pytest.mark.parametrize("policy", ["until", "most-informative"])
def test_heat_that_no_result_has_seen_holds(policy, rng):
    """A tilt series after a pulse was unusable: D is of the state before it."""
    decision = asked(block(policy=policy), measured([15.0], rng), 2, heat=((450.0, 15.0), (450.0, 20.0)))
    assert decision.what == "hold"
    assert "20 s of heat" in decision.why


def test_no_d_after_a_pulse_holds_and_the_first_pulse_keeps_to_the_budget():
    assert asked(block(), None, 1).what == "hold"
    assert asked(block(most_s=10.0), None, 0).what == "done"


def test_until_counts_what_a_slow_ramp_is_worth(rng):
    result = measured([15.0], rng)
    fast, slow = (asked(block(), result, 1, ramp_c_per_s=rate) for rate in (1000.0, 5.0))
    assert fast.duration_s - slow.duration_s == pytest.approx(4.1, abs=0.4)
    nearly = measured([70.0], rng)
    assert asked(block(alloying=0.47, tolerance=0.002), nearly, 1, ramp_c_per_s=1.0).what == "done"
