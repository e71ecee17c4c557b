"""Heat on the way up counts by the ratio of the diffusion coefficients."""

import numpy as np
import pytest

from analysis.diffusion.time_at_temperature import ramp_worth_s, relative_rate_std, time_at_temperature_s
from drivers.interfaces import HeaterReading

Q_J_PER_MOL = 208e3


def readings(time_s, temperature_c):
    return [
        HeaterReading(time_s=t, temperature_c=c, setpoint_c=c, resistance_ohm=100.0, power_mw=1.0)
        for t, c in zip(time_s, temperature_c, strict=True)
    ]


def test_a_hold_at_the_temperature_is_worth_its_duration():
    assert time_at_temperature_s(readings([0.0, 3.0, 10.0], [450.0] * 3), 450.0, Q_J_PER_MOL) == pytest.approx(10.0)


@pytest.mark.parametrize("rate_c_per_s", [1000.0, 5.0])
def test_a_ramp_that_was_read_is_worth_what_was_forecast(rate_c_per_s):
    up_c = np.linspace(25.0, 450.0, 2000)
    seen = readings((up_c - 25.0) / rate_c_per_s, up_c)
    forecast_s = ramp_worth_s(450.0, rate_c_per_s, Q_J_PER_MOL)
    assert time_at_temperature_s(seen, 450.0, Q_J_PER_MOL) == pytest.approx(forecast_s, rel=2e-3)


@pytest.mark.parametrize("temperature_c", [300.0, 450.0])
def test_a_wrong_temperature_changes_the_rate_by_what_is_said(temperature_c):
    off_c = 0.01
    hotter = readings([0.0, 1.0], [temperature_c + off_c] * 2)
    change = time_at_temperature_s(hotter, temperature_c, Q_J_PER_MOL) - 1.0
    assert relative_rate_std(temperature_c, off_c, Q_J_PER_MOL) == pytest.approx(change, rel=1e-3)
