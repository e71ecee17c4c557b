"""The simulated Keithley is driven by pymeasure, which was written for real ones."""

import asyncio
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.clock import WallClock
from drivers.interfaces import DriverContext
from simulators.servers.keithley import KeithleyServer
from simulators.thermal_history import ThermalHistory

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pymeasure.adapters import VISAAdapter
    from pymeasure.instruments.keithley import Keithley2450

HOLD_A = math.sqrt(5.88e-5 * 425.0 / 363.64)
"""By the heat balance, for 450 C."""


def served(folder: Path, do: Callable[[KeithleyServer], Any], **options: float) -> Any:
    """What a blocking client does with a server that runs."""

    async def main() -> Any:
        server = KeithleyServer("source meter", DriverContext(WallClock(), 1, folder), **options)
        serving = asyncio.create_task(server.serve())
        try:
            return await asyncio.to_thread(do, server)
        finally:
            serving.cancel()
            await asyncio.wait([serving])

    return asyncio.run(main())


class Client(Keithley2450):
    def __init__(self, server: KeithleyServer) -> None:
        url = f"TCPIP::127.0.0.1::{server.port}::SOCKET"
        line = {"visa_library": "@py", "read_termination": "\n", "write_termination": "\n"}
        super().__init__(VISAAdapter(url, **line))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.adapter.close()
        self.adapter.manager.close()


def test_pymeasure_heats_reads_and_shuts_down(tmp_path):
    def do(server: KeithleyServer) -> None:
        with Client(server) as meter:
            assert "MODEL 2450" in meter.id
            meter.reset()
            meter.apply_current(compliance_voltage=6.0)
            meter.measure_voltage(nplc=0.1)
            assert meter.check_errors() == []
            meter.wires = 4
            meter.write(":SENS:VOLT:RSEN 1")
            meter.source_current = HOLD_A
            meter.enable_source()
            meter.ask("*OPC?")
            assert meter.source_enabled
            assert meter.compliance_voltage == pytest.approx(6.0)
            while server.true_c < 449.0:
                assert meter.voltage > 0.0
            ohm = np.mean([meter.voltage for _ in range(100)]) / HOLD_A
            assert ohm == pytest.approx(363.64, rel=2e-3)
            meter.write(":SENS:VOLT:RSEN 0")
            leads_ohm = np.mean([meter.voltage for _ in range(100)]) / HOLD_A - ohm
            assert leads_ohm == pytest.approx(20.0, abs=1.0)
            meter.shutdown()
            assert not meter.source_enabled
            meter.adapter.close()

    served(tmp_path, do)
    time_s, true_c = ThermalHistory(tmp_path).new().T
    assert true_c.max() == pytest.approx(450.0, abs=2.0)
    assert np.all(np.diff(time_s) >= 0.0)


def test_noise_is_that_of_a_twelve_bit_converter(tmp_path):
    def do(server: KeithleyServer) -> list[float]:
        with Client(server) as meter:
            meter.apply_current(compliance_voltage=6.0)
            meter.measure_voltage(nplc=0.01)
            meter.source_current = 1e-3
            meter.enable_source()
            return [meter.voltage for _ in range(800)][400:]  # it warms itself a little at first

    volts = np.array(served(tmp_path, do))
    step_v = 2.0 / 4096
    assert np.allclose(volts / step_v, np.round(volts / step_v), atol=1e-2)
    assert np.std(volts) == pytest.approx(step_v * math.sqrt(0.25 + 1.0 / 12.0), rel=0.2)


def test_errors_are_queued_in_the_words_of_scpi(tmp_path):
    def do(server: KeithleyServer) -> None:
        with Client(server) as meter:
            meter.apply_current(current_range=1e-2, compliance_voltage=6.0)
            meter.source_current = 0.1  # beyond its range
            meter.write(":SOUR:CURR:VLIM 1000")
            meter.write(":NO:SUCH:THING 1")
            assert [int(code) for code, *_ in meter.check_errors()] == [-222, -222, -113]
            assert meter.check_errors() == []

    served(tmp_path, do)


def test_the_source_stops_at_its_compliance_and_reads_beyond_its_range_as_overflow(tmp_path):
    def do(server: KeithleyServer) -> None:
        with Client(server) as meter:
            meter.apply_current(compliance_voltage=0.5)
            meter.measure_voltage(nplc=0.01)
            meter.write(":SENS:VOLT:RSEN 1")
            meter.source_current = 8e-3
            meter.enable_source()
            current_a, voltage_v = meter.values(':READ? "defbuffer1", SOUR, READ')
            assert voltage_v == pytest.approx(0.5, abs=0.01)
            assert current_a == pytest.approx(0.5 / 220.0, rel=0.05)
            meter.voltage_range = 0.1
            assert meter.voltage > 1e37

    served(tmp_path, do)


def test_it_cools_with_its_time_constant(tmp_path):
    def do(server: KeithleyServer) -> None:
        with Client(server) as meter:
            meter.apply_current(compliance_voltage=6.0)
            meter.source_current = HOLD_A
            meter.enable_source()
            while server.true_c < 445.0:
                meter.ask("*OPC?")
            meter.disable_source()
            while server.true_c > 30.0:
                meter.ask("*OPC?")

    served(tmp_path, do)
    time_s, true_c = ThermalHistory(tmp_path).new().T
    after = time_s > time_s[true_c.argmax()] + 0.01
    cooling = after & (true_c > 60.0)
    slope = np.polyfit(time_s[cooling], np.log(true_c[cooling] - 25.0), 1)[0]
    assert -1.0 / slope == pytest.approx(0.1, rel=0.03)
