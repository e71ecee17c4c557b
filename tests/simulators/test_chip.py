from pathlib import Path

import numpy as np
import pytest

from drivers.clock import SteppedClock
from drivers.interfaces import DriverContext
from simulators.chip import SimulatedChip
from simulators.thermal_history import ThermalHistory, arrhenius, tau_nm2


def test_the_chip_reaches_its_setpoint_and_quenches_within_a_second(stepped, tmp_path: Path):
    async def main(clock: SteppedClock) -> None:
        chip = SimulatedChip("chip", DriverContext(clock, 1, tmp_path))
        await chip.connect()
        await chip.ramp_to(450.0, 1000.0)
        assert (await chip.read()).temperature_c == pytest.approx(450.0, abs=1.0)
        await clock.sleep(5.0)
        readings = [await chip.read() for _ in range(50)]
        assert np.mean([r.temperature_c for r in readings]) == pytest.approx(450.0, abs=0.1)
        assert readings[0].power_mw > 1.0
        await chip.quench()
        await clock.sleep(1.0)
        cold = await chip.read()
        assert cold.temperature_c < 60.0
        assert cold.power_mw == 0.0

    stepped(main)


def test_diffusion_along_a_pulse_is_d_times_its_duration(stepped, tmp_path: Path):
    async def main(clock: SteppedClock) -> None:
        chip = SimulatedChip("chip", DriverContext(clock, 1, tmp_path))
        await chip.connect()
        await chip.ramp_to(450.0, 1000.0)
        began = clock.now()
        for _ in range(600):
            await clock.sleep(0.1)
            await chip.read()
        held = clock.now() - began
        await chip.quench()
        await clock.sleep(2.0)
        await chip.read()
        points = ThermalHistory(tmp_path).new()
        done = tau_nm2(points, arrhenius(2.4e-19, 208e3), 0.0)
        assert done == pytest.approx(0.24 * held, rel=0.01)
        assert tau_nm2(points, arrhenius(2.4e-19, 208e3), -34.0) < 0.4 * done

    stepped(main)


def test_arrhenius_has_the_published_ratio_for_34_degrees():
    law = arrhenius(1.0, 208e3, 400.0)
    assert float(law(np.array(400.0)) / law(np.array(366.0))) == pytest.approx(7.2, rel=0.05)


def test_a_wrong_sheet_makes_the_chip_truly_as_hot_as_its_resistance_says(stepped, tmp_path: Path):
    sheet = {"r0_ohm": 220.0, "alpha_per_c": 1.6e-3 * 1.01, "beta_per_c2": -1.5e-7, "alpha_std_per_c": 1.6e-5}

    async def main(clock: SteppedClock) -> None:
        chip = SimulatedChip("chip", DriverContext(clock, 1, tmp_path), noise_ohm=0.0, calibration=sheet)
        await chip.connect()
        await chip.ramp_to(450.0, 1000.0)
        await clock.sleep(2.0)
        reading = await chip.read()
        assert reading.temperature_c == pytest.approx(450.0, abs=0.01)
        assert reading.setpoint_c == pytest.approx(450.0, abs=1e-6)
        true_c = ThermalHistory(tmp_path).new()[-1, 1]
        assert true_c - 450.0 == pytest.approx(reading.temperature_std_c, rel=0.05)

    stepped(main)
