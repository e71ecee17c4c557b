"""The guard as a process of its own: ``python -m controller.guard_process``.

It answers on one ROUTER socket. Requests are JSON ``{"id", "call", "args"}`` with the calls ``connect ramp_to quench
read make_safe stop beat leave``; a long call does not hold up a short one. It outlives its controller: when heartbeats
stop it makes the chip safe, writes so in ``guard.jsonl`` and leaves once it is cold and the controller silent for 5 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio

from controller.chip_readings import ChipReadings
from controller.guard import Guard
from controller.journal import Journal
from drivers.clock import ScaledClock, WallClock
from drivers.errors import AlloyscopeError, InterlockTripped
from drivers.interfaces import Bench
from drivers.limits import ChipLimits
from drivers.registry import load

PERIOD_S = 0.05
HEARTBEAT_LIMIT_S = 0.5
_STAY_S = 5.0
_LET_GO_S = 2.0
_SILENCE_S = 60.0


class Leave(Exception):
    """The controller said goodbye."""


async def serve(settings: dict[str, Any]) -> None:
    folder = Path(settings["folder"])
    clock = ScaledClock(settings["speed"], settings["epoch"])
    wall = WallClock()
    journal = Journal(folder / "guard.jsonl", clock)
    bench = Bench(clock, settings["seed"], folder, Path(settings["origin"]))
    chip = load("chip", settings["backend"], bench, settings["options"])
    limits = ChipLimits(**settings["limits"])
    readings = ChipReadings(folder)
    guard = Guard(chip, limits, journal, readings, wall, period_s=PERIOD_S, heartbeat_limit_s=HEARTBEAT_LIMIT_S)
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.ROUTER)
    socket.bind(settings["endpoint"])
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_answer_all(socket, guard, tasks), name="desk of the guard")
    except* (Leave, InterlockTripped):
        pass
    finally:
        await _make_safe_for_sure(guard, journal)
        with suppress(Exception):  # it is as safe as it gets
            async with asyncio.timeout(_LET_GO_S):
                await guard.close()
        with suppress(AlloyscopeError, OSError):  # of a full disk
            journal.write("end", tripped=guard.tripped)
        journal.close()
        readings.close()
        context.destroy(linger=200)


async def _answer_all(socket: zmq.asyncio.Socket, guard: Guard, tasks: asyncio.TaskGroup) -> None:
    while True:
        # A controller that dies before it connects never beats: leave then, too.
        try:
            async with asyncio.timeout(_SILENCE_S):
                client, body = await socket.recv_multipart()
        except TimeoutError:
            raise Leave from None
        question = json.loads(body)
        match question["call"]:
            case "beat":
                guard.beat()
            case "leave":
                raise Leave
            case _:
                tasks.create_task(_answer(socket, client, question, guard, tasks), name=question["call"])


async def _answer(
    socket: zmq.asyncio.Socket, client: bytes, question: dict[str, Any], guard: Guard, tasks: asyncio.TaskGroup
) -> None:
    answer: dict[str, Any] = {"id": question["id"]}
    try:
        value: Any = None
        match question["call"]:
            case "connect":
                await guard.connect()
                tasks.create_task(_watch(guard), name="watch")
                value = guard.simulated
            case "ramp_to":
                await guard.ramp_to(*question["args"])
            case "quench":
                await guard.quench()
            case "read":
                value = asdict(await guard.read())
            case "stop":
                await guard.trip("emergency stop")
            case "make_safe":
                await guard.make_safe()
            case other:
                raise AlloyscopeError(f"the guard knows no call {other!r}")
        answer["value"] = value
    except Exception as error:  # noqa: BLE001  # a driver may raise anything; the controller must hear it in words
        answer["error"] = [type(error).__name__, str(error) or type(error).__name__]
        if not isinstance(error, AlloyscopeError):
            with suppress(OSError):
                traceback.print_exc()  # into guard.log
    await socket.send_multipart([client, json.dumps(answer).encode()])


async def _make_safe_for_sure(guard: Guard, journal: Journal) -> None:
    """Try until the chip is off and cold, or a while has passed; every failure is written down."""
    deadline = asyncio.get_running_loop().time() + 2 * _STAY_S
    while True:
        try:
            async with asyncio.timeout(_STAY_S):
                await guard.make_safe()
                await guard.until_cold()
            return
        except Exception as error:  # noqa: BLE001  # whatever the driver raises, the next try is what matters
            with suppress(AlloyscopeError, OSError):
                journal.write("make_safe_failed", message=str(error) or type(error).__name__)
        if asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(0.1)


async def _watch(guard: Guard) -> None:
    """Watch; after a trip stay while the controller lives, so that it hears the reason and says goodbye."""
    try:
        await guard.watch()
    except InterlockTripped:
        while True:
            await asyncio.sleep(_STAY_S)
            if guard.silence_s > _STAY_S:
                raise


def main() -> int:
    parser = argparse.ArgumentParser(prog="controller.guard_process")
    parser.add_argument("settings", help="JSON: endpoint, folder, origin, backend, options, limits, seed, speed, epoch")
    settings = json.loads(parser.parse_args().settings)
    # A Ctrl-C in the terminal is for the controller; the guard stays until the chip is safe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
