"""What a degree of alloying is wrong by: counting, and each systematic cause."""

from types import SimpleNamespace

import numpy as np
import pytest

from analysis.unheated.reference import Reference

DEGREE = 0.4


def estimate(degree=DEGREE, **asked):
    """Of a particle of whose reference only this is known."""
    curve = SimpleNamespace(degree=lambda tau_nm2: np.array([DEGREE + 0.1]))
    known = SimpleNamespace(counted_degree_std=0.002, level_degree=0.01, curve=curve)
    return Reference.estimate(known, degree, **asked)


def test_a_quarter_of_the_counts_has_twice_the_noise_and_the_unheated_state_its_own():
    alloyed, quarter = estimate(1.0).std, estimate(1.0, counts=0.25).std
    assert alloyed == pytest.approx(0.002)
    assert quarter == pytest.approx(2.0 * alloyed)
    assert estimate(0.0).std == pytest.approx(np.sqrt(2.0) * 0.002)
    for counts in (0.0, -1.0):  # of a fit that ran away: large, and a number
        assert 0.1 < estimate(1.0, counts=counts).std < 1.0
    assert estimate(0.0, counts=1e12).std == pytest.approx(0.002)


def test_the_level_fades_and_streaks_move_the_value_by_half_of_them():
    told = estimate(artefact_degree=0.02)
    assert told.value == pytest.approx(DEGREE + 0.01)
    assert told.budget["streaks of the reconstruction"] == pytest.approx(0.01)
    assert told.budget["the unalloyed level"] == pytest.approx(0.6 * 0.01)
    assert "the unalloyed level" not in estimate(1.0).budget


def test_what_the_projections_contradict_is_a_cause_of_its_own():
    apart, alike = estimate(ln_tau=1.0), estimate(DEGREE + 0.1, ln_tau=1.0)
    assert apart.budget["reconstruction against projections"] == pytest.approx(0.1 / np.sqrt(2.0))
    assert "reconstruction against projections" not in alike.budget
    assert apart.total > 0.07
