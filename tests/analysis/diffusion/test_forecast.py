"""What other pulses would tell, on particles whose course and noise are made up."""

import msgspec
import numpy as np
import pytest

from analysis.diffusion.activation_energy import ActivationEnergy
from analysis.diffusion.forecast import Forecast
from tests.controller.heat.test_steering import measured

FIXED = ((450.0, 15.0),) * 4 + ((450.0, 30.0),) * 2 + ((450.0, 60.0), (450.0, 120.0), (450.0, 300.0))
KNOWN = ActivationEnergy(q_j_per_mol=208e3, q_std_j_per_mol=10e3)


@pytest.fixture
def told(rng):
    return measured(list(np.cumsum([s for _, s in FIXED])), rng)


def test_of_the_pulses_as_they_were_it_expects_the_error_that_was_found(told):
    found = told.diffusivities[0]
    expected = Forecast([told], None).expected(FIXED)
    assert expected.d_percent["A"] == pytest.approx(100.0 * found.std / found.value, rel=0.02)
    assert expected.offset_c == {}


def test_more_tilt_series_never_tell_less(told):
    forecast = Forecast([told], None)
    errors = [forecast.expected(FIXED[:n]).aim for n in range(1, len(FIXED) + 1)]
    assert np.all(np.diff(errors) < 0)


def test_the_proposal_costs_no_more_and_tells_more(told):
    forecast = Forecast([told], None)
    better = forecast.improved(FIXED, 600.0)
    assert len(better) == len(FIXED)
    assert sum(s for _, s in better) <= sum(s for _, s in FIXED) + 1.0
    assert {t for t, _ in better} == {450.0}
    assert forecast.expected(better).aim < 0.95 * forecast.expected(FIXED).aim


def test_windows_are_told_apart_the_better_the_closer_q_is_known(told):
    cold = msgspec.structs.replace(told, particle="B", window="edge")
    one = ((450.0, 60.0),)
    several = ((430.0, 60.0), (440.0, 60.0), (450.0, 60.0))
    known = Forecast([told, cold], KNOWN)
    assert np.isinf(Forecast([told, cold], None).expected(one).offset_c["edge"])
    assert np.isfinite(known.expected(one).offset_c["edge"])
    free = Forecast([told, cold], None).expected(several).offset_c["edge"]
    assert known.expected(several).offset_c["edge"] <= free
    assert known.expected(several * 4).offset_c["edge"] < known.expected(several).offset_c["edge"]


def test_no_proposal_goes_above_the_limit(told):
    cold = msgspec.structs.replace(told, particle="B", window="edge")
    pulses = ((430.0, 60.0), (440.0, 60.0), (450.0, 60.0))
    better = Forecast([told, cold], None).improved(pulses, 455.0)
    assert max(t for t, _ in better) <= 455.0


def test_a_ramp_alone_and_a_single_temperature_are_no_reason_to_fail(told):
    cold = msgspec.structs.replace(told, particle="B", window="edge")
    forecast = Forecast([told, cold], None)
    assert np.isfinite(forecast.expected(((430.0, 0.0), (440.0, 60.0), (450.0, 60.0))).offset_c["edge"])
    better = forecast.improved(((430.0, 0.5), (440.0, 0.5), (450.0, 0.5)), 600.0)
    assert sum(s for _, s in better) <= 1.6
