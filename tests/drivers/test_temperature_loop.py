import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.temperature_loop import HeatBalance, SetPointRamp, TemperatureLoop

BALANCE = HeatBalance(watt_per_c=5.9e-5, time_s=0.1, ambient_c=25.0)
PERIOD_S, CLOSED_S = 0.005, 0.04
BOUNDS_W = (5e-5, 57e-3)


class Membrane:
    """A heater of its own law, measured one period late."""

    def __init__(self, loss: float = 1.0, time: float = 1.0, noise_c: float = 0.0) -> None:
        self.watt_per_c, self.time_s = loss * BALANCE.watt_per_c, time * BALANCE.time_s
        self.noise_c, self.rng = noise_c, np.random.default_rng(1)
        self.temperature_c, self.now_s = 25.0, 0.0

    def follow(self, ramp: SetPointRamp, loop: TemperatureLoop, span_s: float, bounds_w=BOUNDS_W) -> np.ndarray:
        """Time and temperature, in steps of a millisecond."""
        seen = []
        for _ in range(round(span_s / PERIOD_S)):
            read = (self.now_s, self.temperature_c + self.noise_c * float(self.rng.normal()))
            power_w = loop.power_w(ramp, read, self.now_s, PERIOD_S, bounds_w)
            assert bounds_w[0] <= power_w <= bounds_w[1]
            for _ in range(5):
                end_c = 25.0 + power_w / self.watt_per_c
                self.temperature_c = end_c + (self.temperature_c - end_c) * math.exp(-1e-3 / self.time_s)
                self.now_s += 1e-3
                seen.append((self.now_s, self.temperature_c))
        return np.array(seen)


def test_a_known_heater_follows_its_ramp_without_lag_and_without_overshoot():
    went = Membrane().follow(SetPointRamp(25.0, 450.0, 1000.0, 0.0), TemperatureLoop(BALANCE, CLOSED_S), 1.5)
    during = went[(went[:, 0] > 0.1) & (went[:, 0] < 0.4)]
    assert np.polyfit(*during.T, 1)[0] == pytest.approx(1000.0, rel=0.01)
    assert np.abs(during[:, 1] - (25.0 + 1000.0 * during[:, 0])).max() < 2.0
    assert went[:, 1].max() < 451.0
    assert np.abs(went[went[:, 0] > 0.5, 1] - 450.0).max() < 0.5


@settings(deadline=None, max_examples=40)
@given(loss=st.floats(0.8, 1.2), time=st.floats(0.8, 1.2), target_c=st.floats(60.0, 500.0))
def test_a_heater_known_to_a_fifth_settles_at_its_set_point(loss, time, target_c):
    """And never goes beyond what the guard bears."""
    went = Membrane(loss, time).follow(
        SetPointRamp(25.0, target_c, 1000.0, 0.0), TemperatureLoop(BALANCE, CLOSED_S), 2.0
    )
    assert went[:, 1].max() < target_c + 15.0
    assert np.abs(went[went[:, 0] > 1.5, 1] - target_c).max() < 0.3


def test_noise_of_a_degree_moves_the_heater_by_less_than_half_of_it():
    membrane, loop = Membrane(noise_c=1.0), TemperatureLoop(BALANCE, CLOSED_S)
    membrane.follow(SetPointRamp(25.0, 450.0, 1000.0, 0.0), loop, 1.0)
    held = membrane.follow(SetPointRamp(450.0, 450.0, 1.0, 0.0), loop, 10.0)
    assert np.sqrt(np.mean((held[:, 1] - 450.0) ** 2)) < 0.5


def test_what_a_bound_has_withheld_is_not_made_up_for_afterwards():
    """Most of a second at too little power winds nothing up: what goes beyond is a step's own."""
    membrane, loop = Membrane(), TemperatureLoop(BALANCE, CLOSED_S)
    weak_w = (5e-5, 20e-3)
    short = membrane.follow(SetPointRamp(25.0, 450.0, 1000.0, 0.0), loop, 1.0, weak_w)
    assert loop.saturated == 1
    assert short[-1, 1] == pytest.approx(25.0 + 20e-3 / BALANCE.watt_per_c, abs=1.0)
    after = membrane.follow(SetPointRamp(450.0, 450.0, 1.0, 0.0), loop, 1.0)
    assert after[:, 1].max() < 465.0
    assert after[-1, 1] == pytest.approx(450.0, abs=0.2)


def test_below_the_surroundings_the_least_power_is_all_there_is():
    membrane, loop = Membrane(), TemperatureLoop(BALANCE, CLOSED_S)
    membrane.follow(SetPointRamp(25.0, 10.0, 1000.0, 0.0), loop, 1.0)
    assert loop.saturated == -1


@given(st.floats(-50.0, 800.0), st.floats(-50.0, 800.0), st.floats(0.1, 5000.0), st.floats(0.0, 100.0))
def test_a_ramp_never_leaves_its_ends_and_stays_where_it_is_held(from_c, target_c, rate, time_s):
    ramp = SetPointRamp(from_c, target_c, rate, 10.0)
    assert ramp.at(0.0) == pytest.approx(from_c)
    assert ramp.at(1e6) == target_c
    here_c = ramp.at(10.0 + time_s)
    assert min(from_c, target_c) <= here_c <= max(from_c, target_c)
    assert ramp.held(10.0 + time_s).at(1e9) == here_c
