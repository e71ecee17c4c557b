"""Whoever of controller, guard and deputy is killed or stopped, whenever: chip off and beam blanked within a second."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from controller.stream.protocol import GuardCall
from drivers.recorded.records import Cold
from drivers.requests import ask
from simulators.chip import SimulatedChip
from simulators.thermal_history import ThermalHistory
from tests.flows.test_deputy import HOT_C, ROOT, kinds, until
from tests.leftovers import processes
from tests.torture.conftest import TORTURE

BLOWS = max(6, round(3 * TORTURE))
STOPS = round(20 * TORTURE)
WITHIN_S, AT_ONCE_S = 1.0, 4.0
KILLED, STOPPED = signal.SIGKILL, signal.SIGSTOP
TARGETS = [("controller",), ("guard",), ("deputy", "guard"), ("controller", "guard"), ("controller", "deputy")]


class StampedChip(SimulatedChip):
    """Writes down when it is switched off, on the clock that all processes share."""

    def __init__(self, name, context) -> None:
        super().__init__(name, context)
        self.stamps = context.folder / "switched_off"

    async def make_safe(self) -> None:
        with self.stamps.open("a") as file:
            file.write(f"{time.monotonic()}\n")
        await super().make_safe()


SCRIPT = """
import asyncio, json, os, sys, time
from pathlib import Path
import numpy, zmq
from controller.guard.client import GuardClient
from tests.flows.test_deputy import HOT_C, SPECIMEN, settings_of

frames = zmq.Context().socket(zmq.PUB)
frames.bind("inproc://frames")

async def busy_with(what):
    if what == "hung":
        time.sleep(3600.0)  # the whole event loop, heartbeats too
    while what == "streaming":
        frames.send(numpy.random.default_rng(1).integers(0, 2**16, (1024, 1024), "uint16"), copy=False)
        await asyncio.sleep(0)
    await asyncio.Event().wait()

async def main():
    folder = Path(sys.argv[1])
    settings = settings_of(folder, backend="tests.torture.test_blows:StampedChip")
    client = GuardClient(settings, "tests.flows.test_deputy:RealMicroscope", SPECIMEN)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client.serve())
        await asyncio.sleep(0)
        await client.connect()
        await client.ramp_to(HOT_C, 1000.0)
        (folder / "beam").write_text("on")
        told = {"guard": client.pid, "deputy": client._deputy.pid, "controller": os.getpid()}
        told |= {"socket": client.endpoints["guard"], "epoch": settings.epoch}
        (folder / "part").write_text(json.dumps(told))
        os.replace(folder / "part", folder / "told")
        await busy_with(sys.argv[2])

asyncio.run(main())
"""


@pytest.fixture
def hot(tmp_path) -> Iterator[Callable[..., tuple[Path, dict]]]:
    """Starts a controller with a hot chip and a beam that is on, in a folder of its own."""
    started: list[subprocess.Popen] = []

    def start(name: str, busy_with: str = "nothing") -> tuple[Path, dict]:
        folder = tmp_path / name
        folder.mkdir()
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        with (folder / "controller.log").open("w") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-c", SCRIPT, str(folder), busy_with],
                    env=os.environ | {"PYTHONPATH": path},
                    cwd=ROOT,
                    stderr=log,
                )
            )
        until((folder / "told").exists, "the heat pulse")
        return folder, json.loads((folder / "told").read_text())

    yield start
    for process in started:
        for blow in (signal.SIGCONT, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(blow)
        process.wait()
    until(lambda: not processes(), "the end of guards and deputies by themselves")
    for sockets in Path(tempfile.gettempdir()).glob("alloyscope-*"):
        shutil.rmtree(sockets)  # what was killed could not


def end(told: dict) -> None:
    """Of the controller; the others then end by themselves."""
    for blow in (signal.SIGCONT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(told["controller"], blow)


def off_after_s(folder: Path, blow_s: float) -> float:
    """From the blow until the chip began to cool, by its true temperature."""
    history = ThermalHistory(folder).new()
    cooling = history[(history[:, 0] > blow_s) & (history[:, 1] < HOT_C - 20.0)]
    return float(cooling[0, 0] - blow_s)


def test_a_blow_at_any_moment_leaves_a_cold_chip_and_a_blanked_beam(hot, tell):
    chip_s, beam_s = [], []
    for seed in range(BLOWS):
        chance = random.Random(seed)
        targets, blow = TARGETS[seed % len(TARGETS)], KILLED if chance.random() < 0.8 else STOPPED
        folder, told = hot(str(seed))
        time.sleep(chance.uniform(0.0, 0.3))  # any moment
        blow_s = time.monotonic()
        for target in targets:
            os.kill(told[target], KILLED if target == "deputy" else blow)
        until(lambda at=folder: Cold in kinds(at), f"seed {seed}: the quench")
        chip_s.append(off_after_s(folder, blow_s - told["epoch"]))
        if "controller" in targets and "deputy" not in targets and blow is KILLED:
            until(lambda at=folder: (at / "beam").read_text() == "blanked", f"seed {seed}: blanking the beam")
            beam_s.append((folder / "beam").stat().st_mtime - (time.time() - time.monotonic()) - blow_s)
        # A new deputy has to be started first where both it and the guard are struck.
        limit_s = AT_ONCE_S if {"guard", "deputy"} <= set(targets) else WITHIN_S
        assert max(chip_s[-1], *beam_s[-1:], 0.0) < limit_s, (seed, targets, blow, chip_s[-1], beam_s[-1:])
        end(told)
    both = [off for n, off in enumerate(chip_s) if {"guard", "deputy"} <= set(TARGETS[n % len(TARGETS)])]
    others = sorted(set(chip_s) - set(both))
    tell("blows at controller, guard, controller and another: chip off", len(others), f"at most {others[-1]:.2f} s")
    tell("blows at guard and deputy at once: chip off", len(both), f"at most {max(both):.2f} s")
    tell("blows at the controller: beam blanked", len(beam_s), f"at most {max(beam_s):.2f} s")


@pytest.mark.parametrize("controller", ["idle", "streaming", "stopped", "hung"])
def test_an_emergency_stop_reaches_the_chip_at_once(hot, tell, controller):
    """By the way that screen and command share; a guard that has tripped switches off again each time it is told."""
    folder, told = hot(controller, controller)
    if controller == "stopped":
        os.kill(told["controller"], signal.SIGSTOP)
    taken_s = []
    for _ in range(STOPS):
        sent_s = time.monotonic()
        ask(told["socket"], GuardCall(call="stop"), limit_s=5.0)
        stamps = [float(line) for line in (folder / "switched_off").read_text().split()]
        taken_s.append(next(stamp for stamp in stamps if stamp >= sent_s) - sent_s)
    worst_ms, usual_ms = 1e3 * float(np.quantile(taken_s, 0.999)), 1e3 * float(np.median(taken_s))
    tell(f"stops, controller {controller}: device called", STOPS, f"median {usual_ms:.1f} ms, 99.9 % {worst_ms:.1f} ms")
    assert usual_ms < 20.0
    end(told)
