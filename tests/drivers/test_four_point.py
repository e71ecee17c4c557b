import math

import pytest

from drivers.calibration import ResistanceCalibration
from drivers.four_point import FourPoint, Wiring, jump
from drivers.temperature_loop import HeatBalance

SHEET = ResistanceCalibration(r0_ohm=220.0, alpha_per_c=1.6e-3, beta_per_c2=-1.5e-7)
WIRING = Wiring.of(SHEET, ambient_c=25.0, max_c=500.0, compliance_v=6.0)
BALANCE = HeatBalance(5.9e-5, 0.1, 25.0)


@pytest.mark.parametrize(
    ("asked_ma", "flow_ma", "volt", "words", "powered"),
    [
        (8.3, 8.3, 0.0, "sense lead off", False),
        (8.3, 0.0, 6.0, "open heater", False),
        (8.3, 4.0, 6.0, "in compliance", False),
        (8.3, 0.0, 0.0, "switched off by hand", False),
        (0.5, 8.3, 3.0, "still powered", True),
        (0.5, 0.5, 3.0, "still powered", True),
        (8.3, 8.3, math.nan, "beyond the range", False),
    ],
)
def test_what_is_wrong_with_the_wiring_is_named(asked_ma, flow_ma, volt, words, powered):
    fault = WIRING.fault(FourPoint(0.0, 1e-3 * asked_ma, 1e-3 * flow_ma, volt))
    assert fault is not None
    assert words in fault.words
    assert fault.powered == powered


@pytest.mark.parametrize("temperature_c", [-20.0, 25.0, 450.0, 600.0])
@pytest.mark.parametrize("current_ma", [0.5, 3.0, 8.3])
def test_a_sound_heater_has_no_fault(temperature_c, current_ma):
    current_a = 1e-3 * current_ma
    assert WIRING.fault(FourPoint(0.0, current_a, current_a, current_a * SHEET.resistance_ohm(temperature_c))) is None


def at(time_s: float, temperature_c: float, current_ma: float) -> FourPoint:
    current_a = 1e-3 * current_ma
    return FourPoint(time_s, current_a, current_a, current_a * SHEET.resistance_ohm(temperature_c))


def test_a_quench_is_heat_and_a_contact_is_none():
    assert jump(at(0.0, 450.0, 8.3), at(0.005, 430.0, 0.5), SHEET, BALANCE) is None
    assert jump(at(0.0, 450.0, 8.3), at(0.005, 450.0, 8.3), SHEET, BALANCE) is None
    assert jump(at(0.0, 450.0, 8.3), at(0.085, 393.0, 0.5), SHEET, BALANCE) is None  # powered at first
    assert jump(at(0.0, 200.0, 9.0), at(0.04, 260.0, 5.5), SHEET, BALANCE) is None  # the same in a ramp
    found = jump(at(0.0, 450.0, 8.3), at(0.005, 510.0, 8.3), SHEET, BALANCE)
    assert found is not None
    assert "sense lead off" in found.words


def test_a_calibration_that_turns_back_tells_no_temperature():
    with pytest.raises(ValueError, match="does not rise"):
        Wiring.of(SHEET.model_copy(update={"beta_per_c2": -1.5e-6}), 25.0, 500.0, 6.0)
