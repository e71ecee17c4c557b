"""Ramp, settling and quench against the twin's true temperature: ``python -m benchmarks.heating``.

The same guard and heating as in a session, on the stepped clock; what is compared is not time on this machine but the
chip's own. The truth is the simulated chip's, which the controller never sees.
"""

import asyncio
import tempfile
from pathlib import Path

import numpy as np

from controller.engine import Engine
from controller.guard.chip_readings import ChipReadings
from controller.guard.guard import Guard
from controller.heat.heating import Heating
from controller.plan.session_file import ChipSection
from controller.plan.steps import Heat
from controller.record.ledger import Ledger
from drivers.clock import SteppedClock
from drivers.interfaces import DriverContext
from drivers.limits import ChipLimits
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal, read_journal
from drivers.recorded.records import Heated
from simulators.chip import SimulatedChip
from simulators.thermal_history import ThermalHistory

COLD_C = 60.0
PULSES = ((450.0, 1000.0, 1.0), (450.0, 1000.0, 0.3), (300.0, 100.0, 1.0), (600.0, 5.0, 1.0))
"""Target in C, ramp in C/s, tolerance in C."""


async def pulse(clock: SteppedClock, folder: Path, seed: int, target_c: float, rate: float, tolerance_c: float) -> None:
    chip = SimulatedChip("chip", DriverContext(clock, seed, folder))
    journal = Journal(SessionFolder(folder).journal, clock)
    readings = ChipReadings(SessionFolder(folder).chip_readings)
    guard = Guard(chip, ChipLimits(), journal, readings, clock, period_s=0.1, heartbeat_limit_s=1e9)
    await guard.connect()
    section = ChipSection(backend="simulated", ramp_c_per_s=rate, tolerance_c=tolerance_c)
    engine = Engine(clock, lambda *_: None)
    ledger = Ledger()
    heating = Heating(guard, section, clock, engine, ledger, journal, lambda *_: None, 208e3)
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(guard.watch(), name="watch")
        await heating.pulse(Heat("c01/heat", target_c, 20.0, rate))
        await clock.sleep(2.0)
        await chip.read()
        watch.cancel()
    journal.close()
    readings.close()


def main() -> None:
    print("target C  ramp C/s  tolerance C | reached after s  worst error while held C  below 60 C after s")
    for target_c, rate, tolerance_c in (
        (450.0, 1000.0, 1.0),
        (450.0, 1000.0, 0.3),
        (300.0, 100.0, 1.0),
        (600.0, 5.0, 1.0),
    ):
        errors, reached, quenched = [], [], []
        for seed in range(5):
            with tempfile.TemporaryDirectory() as name:
                clock = SteppedClock()
                clock.run(pulse(clock, Path(name), seed, target_c, rate, tolerance_c))
                time_s, true_c = ThermalHistory(Path(name)).new().T
                asked, heated = read_journal(Path(name))
                assert isinstance(heated.record, Heated)
                began_s, ended_s, held_s = asked.time_s, heated.time_s, heated.record.duration_s
                fine_s = np.arange(ended_s - held_s, ended_s, 0.002)
                errors.append(float(np.abs(np.interp(fine_s, time_s, true_c) - target_c).max()))
                reached.append(ended_s - held_s - began_s)
                cold = np.arange(ended_s, ended_s + 2.0, 0.002)
                quenched.append(float(cold[np.interp(cold, time_s, true_c) < COLD_C][0] - ended_s))
        print(
            f"{target_c:8.0f}  {rate:8.0f}  {tolerance_c:11.1f} | {max(reached):15.3f}  {max(errors):25.3f}  "
            f"{max(quenched):18.3f}"
        )


if __name__ == "__main__":
    main()
