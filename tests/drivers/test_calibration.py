import math

import numpy as np
import pytest

from drivers.calibration import ResistanceCalibration

SHEET = {"r0_ohm": 220.0, "alpha_per_c": 1.6e-3, "beta_per_c2": -1.5e-7}


@pytest.mark.parametrize("beta", [0.0, -1.5e-7, 2e-7, 1e-16])
def test_temperature_and_resistance_are_each_others_inverse(beta):
    sheet = ResistanceCalibration(**SHEET | {"beta_per_c2": beta})
    for temperature_c in (-50.0, 25.0, 100.0, 450.0, 900.0):
        assert sheet.temperature_c(sheet.resistance_ohm(temperature_c)) == pytest.approx(temperature_c, abs=1e-6)


def test_the_errors_of_the_sheet_are_carried_through(rng):
    stds = {"r0_std_ohm": 0.2, "alpha_std_per_c": 8e-6, "beta_std_per_c2": 2e-9}
    sheet = ResistanceCalibration(**SHEET, **stds)
    ohm = sheet.resistance_ohm(450.0)
    drawn = [
        ResistanceCalibration(
            r0_ohm=rng.normal(220.0, 0.2), alpha_per_c=rng.normal(1.6e-3, 8e-6), beta_per_c2=rng.normal(-1.5e-7, 2e-9)
        ).temperature_c(ohm)
        for _ in range(4000)
    ]
    assert sheet.temperature_std_c(ohm) == pytest.approx(np.std(drawn), rel=0.05)


def test_where_the_formula_ends_there_is_no_temperature():
    assert math.isnan(ResistanceCalibration(**SHEET).temperature_c(220.0 * 6.0))
