"""The guard as a process of its own: ``python -m controller.guard.process``.

It answers the guard's questions of `controller.stream.protocol` on one ROUTER socket. It outlives its controller: when
heartbeats stop it makes the chip safe, writes so in ``guard.jsonl`` and leaves once it is cold and the controller
silent for 5 s. Told to end by a signal it makes the chip safe, and leaves. Where it is killed, its deputy takes over.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, assert_never

import zmq
import zmq.asyncio

from controller.guard.chip_readings import ChipReadings
from controller.guard.guard import Guard
from controller.guard.settings import COOL, HOT, PEACE, GuardSettings, first_line
from controller.stream.protocol import Beat, GuardCall, Leave, guard_questions
from drivers.clock import ScaledClock, WallClock
from drivers.device_thread import ChipInThread, DeviceThread, stuck
from drivers.errors import AlloyscopeError, InterlockTripped
from drivers.interfaces import DriverContext
from drivers.limits import ChipLimits
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal
from drivers.recorded.records import GuardEnd
from drivers.registry import load
from drivers.requests import NotUnderstood, Reply, answer_question, unpack_question

PERIOD_S = 0.05
HEARTBEAT_LIMIT_S = 0.5
_STAY_S = 5.0
_LET_GO_S = 2.0
_SILENCE_S = 60.0
_LIFE_S = 0.1
_HANDED_OVER = 3
"""Exit code of a guard whose driver hangs: its deputy has another one."""


class Goodbye(Exception):
    """The controller said goodbye."""


async def serve(settings: GuardSettings) -> None:
    folder = SessionFolder(Path(settings.folder))
    clock = ScaledClock(settings.speed, settings.epoch)
    wall = WallClock()
    journal = Journal(folder.guard_journal, clock)
    limits = ChipLimits(**settings.limits)
    context = DriverContext(clock, settings.seed, folder.path, Path(settings.origin), limits=limits)
    # A driver that blocks must hold up neither heartbeats nor the judgement that it is to be switched off.
    thread = DeviceThread("chip")
    chip = ChipInThread(load("chip", settings.backend, context, settings.options), thread)
    readings = ChipReadings(folder.chip_readings)
    guard = Guard(
        chip,
        limits,
        journal,
        readings,
        wall,
        period_s=PERIOD_S,
        heartbeat_limit_s=HEARTBEAT_LIMIT_S,
        on_hang=lambda: os._exit(_HANDED_OVER),
    )
    sockets = zmq.asyncio.Context()
    socket = sockets.socket(zmq.ROUTER)
    socket.bind(settings.endpoint)
    # Not one of the tasks below: it goes on while the chip is made safe at the end.
    life = asyncio.create_task(_show_life(guard, settings.alive_fd), name="sign of life")
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_answer_all(socket, guard, tasks), name="requests to the guard")
            tasks.create_task(_leave_when_told(guard), name="signals")
    except* (Goodbye, InterlockTripped):
        pass
    finally:
        await _make_safe_for_sure(guard)
        with suppress(Exception):  # it is as safe as it gets
            async with asyncio.timeout(_LET_GO_S):
                await guard.close()
        with suppress(AlloyscopeError, OSError):  # of a full disk
            journal.write(GuardEnd(tripped=guard.tripped))
        journal.close()
        readings.close()
        await thread.close()
        sockets.destroy(linger=200)
        settings.remove_sockets()
        life.cancel()
        with suppress(OSError):
            os.write(settings.alive_fd, PEACE)


async def _leave_when_told(guard: Guard) -> None:
    """A reboot, or a person with `kill`: the chip is made safe first, and the controller hears why."""
    told = asyncio.Queue[signal.Signals]()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told.put_nowait, number)
    number = await told.get()
    await guard.trip(f"the guard was told to end by {number.name}")
    raise Goodbye


async def _show_life(guard: Guard, fd: int) -> None:
    """To the deputy, which takes over when this loop stands still, and sooner where the chip is hot."""
    if fd < 0:
        return
    os.set_blocking(fd, False)
    while True:
        with suppress(OSError):  # nobody reads: a deputy that has died is replaced
            os.write(fd, HOT if guard.hot else COOL)
        await asyncio.sleep(_LIFE_S)


async def _answer_all(socket: zmq.asyncio.Socket, guard: Guard, tasks: asyncio.TaskGroup) -> None:
    async def answers(question: GuardCall, _: list[bytes]) -> AsyncIterator[Reply]:
        try:
            yield await _carried_out(question, guard, tasks), []
        except AlloyscopeError:
            raise
        except Exception:
            with suppress(OSError):
                traceback.print_exc()  # into guard.log
            raise

    while True:
        # A controller that dies before it connects never beats: leave then, too.
        try:
            async with asyncio.timeout(_SILENCE_S):
                client, *frames = await socket.recv_multipart()
        except TimeoutError:
            raise Goodbye from None
        with suppress(NotUnderstood):
            match unpack_question(frames, guard_questions)[1]:
                case Beat():
                    guard.beat()
                    continue
                case Leave():
                    raise Goodbye
        # A long call does not hold up a short one.
        tasks.create_task(answer_question(socket, client, frames, guard_questions, answers), name="call")


async def _carried_out(question: GuardCall, guard: Guard, tasks: asyncio.TaskGroup) -> Any:
    match question.call:
        case "connect":
            await guard.connect()
            tasks.create_task(_watch(guard), name="watch")
            return guard.simulated
        case "ramp_to":
            await guard.ramp_to(*question.args)
        case "quench":
            await guard.quench()
        case "read":
            return asdict(await guard.read())
        case "stop":
            await guard.trip("emergency stop")
            return await guard.seen_after()
        case "make_safe":
            await guard.make_safe()
        case _:
            assert_never(question.call)
    return None


async def _make_safe_for_sure(guard: Guard) -> None:
    """Until the chip is off and cold, however long it takes; one that was never reached is asked once."""
    await guard.switch_off()
    if guard.connected:
        await guard.until_cold()


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
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s", level=logging.INFO)
    asyncio.run(serve(first_line(GuardSettings)))
    if stuck():
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
