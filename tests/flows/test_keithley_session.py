"""A chip on a Keithley behind the real guard: a session that runs through, and failures that the guard ends by name."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analysis.diffusion.time_at_temperature import USUAL_Q_J_PER_MOL
from controller.engine import FinishReason
from controller.guard.client import GuardClient
from controller.guard.settings import GuardSettings
from controller.plan.check import checked_session
from controller.session import Session
from drivers.clock import ScaledClock
from drivers.errors import AlloyscopeError, InterlockTripped
from drivers.interfaces import DriverContext
from drivers.recorded.folder import SessionFolder
from simulators.servers.keithley import KeithleyServer
from simulators.thermal_history import ThermalHistory, arrhenius, tau_nm2
from tests.flows.test_processes import happened, records

BACKEND = "drivers.keithley:KeithleyChip"
SHEET = {"r0_ohm": 220.0, "alpha_per_c": 1.6e-3, "beta_per_c2": -1.5e-7, "alpha_std_per_c": 8e-6}
LIMITS = {"max_c": 600.0}
ROOT = Path(__file__).parents[2]


SERVE = """
import asyncio, sys
from pathlib import Path
from drivers.clock import ScaledClock
from drivers.interfaces import DriverContext
from simulators.servers.keithley import KeithleyServer

server = KeithleyServer("source meter", DriverContext(ScaledClock(1.0, float(sys.argv[2])), 3, Path(sys.argv[1])))
print(server.port, flush=True)
asyncio.run(server.serve())
"""


@contextmanager
def instrument(folder: Path, epoch: float) -> Iterator[int]:
    """The port of a simulated Keithley in a process of its own, which a busy session does not hold up."""
    command = [sys.executable, "-c", SERVE, str(folder), repr(epoch)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def on_a_keithley(port: int) -> dict[str, str]:
    options = {"host": '"127.0.0.1"', "port": port, "calibration": json.dumps(SHEET).replace(":", " =")}
    told = ", ".join(f"{key} = {value}" for key, value in options.items())
    return {'[chip]\nbackend = "simulated"': f'[chip]\nbackend = "{BACKEND}"\noptions = {{ {told} }}'}


def test_a_session_heats_quenches_and_images_without_tripping_the_guard(session_file, tmp_path):
    """Its particle alloys by the temperature that the heater truly had."""
    clock, folder = ScaledClock(), tmp_path / "s"
    imaged = {'kind = "tilt-series"': 'kind = "image"', 'kind = "pulses"': 'kind = "pulses"\nafter_each = "image"'}
    with instrument(folder, clock.epoch) as port:
        path = session_file(durations_s="[2.0, 1.0]", **on_a_keithley(port), **imaged)
        session = Session(checked_session(path), path, SessionFolder(folder), clock)
        assert asyncio.run(session.run()) is FinishReason.COMPLETED
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as line:
            line.sendall(b":OUTP?\n")
            assert line.recv(100) == b"0\n"
    guard = folder / "guard.jsonl"
    assert not happened(guard, "made_safe"), records(guard)
    assert not happened(guard, "make_safe_failed"), records(guard)
    assert len(happened(guard, "quench")) >= 2
    assert happened(guard, "end")[-1]["tripped"] is None
    heats = happened(folder / "journal.jsonl", "heated")
    assert [h["temperature_c"] for h in heats] == [450.0, 450.0]
    assert [h["duration_s"] for h in heats] == pytest.approx([2.0, 1.0], abs=0.5)
    points = ThermalHistory(folder).new()
    done_nm2 = tau_nm2(points, arrhenius(2.4e-19, USUAL_Q_J_PER_MOL), 0.0)
    assert done_nm2 == pytest.approx(0.24 * sum(h["worth_s"] for h in heats), rel=0.05)
    assert points[-1, 1] < 30.0


@pytest.mark.parametrize(
    ("break_it", "mend_it", "words"),
    [
        pytest.param(
            lambda s: setattr(s.faults, "sense_lead", "floats"),
            lambda s: setattr(s.faults, "sense_lead", "on"),
            "sense lead off",
            id="lead off",
        ),
        pytest.param(
            lambda s: setattr(s.faults, "heater_open", True),
            lambda s: setattr(s.faults, "heater_open", False),
            "open heater",
            id="open heater",
        ),
        pytest.param(KeithleyServer.cut_line, KeithleyServer.mend_line, "is lost", id="line cut"),
        pytest.param(
            lambda s: setattr(s.faults, "relay_stuck", True),
            lambda s: setattr(s.faults, "relay_stuck", False),
            "still powered",
            id="stuck relay",
        ),
    ],
)
def test_what_breaks_is_named_by_the_guard_and_cold_once_it_can_be(tmp_path, break_it, mend_it, words):
    async def main() -> None:
        folder, epoch = tmp_path / "s", time.monotonic()
        server = KeithleyServer("source meter", DriverContext(ScaledClock(1.0, epoch), 1, folder))
        serving = asyncio.create_task(server.serve())
        client = GuardClient(
            GuardSettings(
                folder=str(folder),
                origin=str(folder),
                backend=BACKEND,
                options={"host": "127.0.0.1", "port": server.port, "calibration": SHEET},
                limits=LIMITS,
                seed=1,
                speed=1.0,
                epoch=epoch,
            ),
            "simulated",
            {"particles": [{"specimen": "NC2"}]},
        )
        answers = asyncio.create_task(client.serve())
        await asyncio.sleep(0)
        try:
            await client.connect()
            await client.ramp_to(450.0, 1000.0)
            await asyncio.sleep(0.2)
            assert (await client.read()).temperature_c == pytest.approx(450.0, abs=2.0)
            break_it(server)
            if words == "still powered":  # nothing shows before it is to end
                with pytest.raises(AlloyscopeError, match=words):
                    await client.quench()
            await tripped(folder / "guard.jsonl")
            with pytest.raises(InterlockTripped, match=words):
                await client.read()
            mend_it(server)
            await cold(folder / "guard.jsonl")
            assert server.true_c < 60.0
        finally:
            mend_it(server)
            answers.cancel()
            await asyncio.wait([answers])
            await client.close()
            serving.cancel()
            await asyncio.wait([serving])
        (safe,) = happened(folder / "guard.jsonl", "made_safe")
        assert words in safe["reason"]
        assert not server.output_is_on

    async def tripped(guard: Path) -> None:
        await seen(lambda: any("reason" in r or r["what"] == "make_safe_failed" for r in records(guard)), "a trip")
        await asyncio.sleep(0.5)

    async def cold(guard: Path) -> None:
        await seen(lambda: bool(happened(guard, "cold")), "cooling")

    async def seen(true, what: str) -> None:
        until = time.monotonic() + 20.0
        while not true():
            assert time.monotonic() < until, f"{what} did not happen"
            await asyncio.sleep(0.02)

    asyncio.run(main())
