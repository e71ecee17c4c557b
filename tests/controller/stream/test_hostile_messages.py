"""What nobody should send: the session and its guard answer it, or pass it over, and go on."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zmq.asyncio

from analysis.results import encode
from controller import events as ev
from controller.guard.chip_readings import ChipReadings
from controller.guard.guard import Guard
from controller.guard.process import _answer_all
from controller.monitor.source import RemoteSession
from controller.stream.protocol import Beat, Command, Endpoints, EventsSoFar, GuardCall
from controller.stream.streams import Streams
from drivers.clock import WallClock
from drivers.interfaces import DriverContext
from drivers.limits import ChipLimits
from drivers.recorded.journal import Journal
from drivers.requests import Question, RequestSocket, pack_question, replies
from drivers.stream_requests import Alive, Head, HowToAnalyse, Items, OwnParticles, TakeResult, TakeVolume, Together
from simulators.chip import SimulatedChip
from tests.analysis.results.test_results import STATE
from tests.controller.stream.taken import Taken
from tests.torture.conftest import TORTURE

LIMIT_S = 5.0
SEEDS = range(1, 1 + max(2, round(2 * TORTURE)))
HARMLESS = [
    *(Items(first=0, until=3), Head(), EventsSoFar(), Endpoints(), Command(command="pause"), TakeResult()),
    *(
        OwnParticles(worker="w"),
        Alive(worker="w"),
        Together(particle="A", pulses=1),
        HowToAnalyse(worker="v", version="1"),
    ),
    TakeVolume(step="c00/A/tilt", voxel_nm=1.0, shape=(1, 2, 3)),
]
TO_A_GUARD = [GuardCall(call="ramp_to", args=(450.0, 100.0)), GuardCall(call="read"), Beat()]
ODD = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b'{"id": 1e999}',
    b'{"id": "x", "ask": "head"}',
    b"\xff" * 40,
    b"[" * 2000,
    b"9" * 400,
]


def hostile(seed: int, count: int, questions: list[Question]) -> list[list[bytes]]:
    """Whole questions with bytes changed, cut, doubled, parts too many or too few, and things that are none."""
    rng, made = random.Random(seed), list[list[bytes]]()
    for _ in range(count):
        first, *more = pack_question(rng.randrange(-5, 9), rng.choice(questions), encode(STATE))
        data = bytearray(first)
        for _ in range(rng.randrange(4)):
            place = rng.randrange(len(data))
            data[place : place + rng.randrange(3)] = rng.randbytes(rng.randrange(3)) or b'"'
        parts = [bytes(data[: rng.randrange(len(data) + 1)]) if rng.random() < 0.2 else bytes(data)]
        parts += [rng.randbytes(rng.randrange(60)) if rng.random() < 0.5 else part for part in more * rng.randrange(3)]
        made.append([rng.choice(ODD), *parts[1:]] if rng.random() < 0.2 else parts)
    return made


async def nothing(_: object) -> str:
    return "yes"


async def bombarded(endpoint: str, messages: list[list[bytes]], last: Question) -> object:
    """Send all, hear whatever comes back, and then ask something sensible."""
    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.connect(endpoint)
        for number, parts in enumerate(messages):
            await socket.send_multipart(parts)
            while number % 20 == 0 and await socket.poll(1):
                await socket.recv_multipart()
    async for value, _ in replies(endpoint, last, limit_s=LIMIT_S):
        return value
    raise AssertionError("no answer any more")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_session_answers_after_whatever_it_was_sent(seed):
    async def main() -> object:
        streams = Streams(None, ev.Events(), Taken(), nothing)  # type: ignore[arg-type]  # holds no frame
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(streams.serve())
                answer = await bombarded(
                    streams.endpoints["requests"], hostile(seed, 3000, HARMLESS), Command(command="x")
                )
                serving.cancel()
        finally:
            streams.close()
        return answer

    assert asyncio.run(main()) == "yes"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_guard_answers_after_whatever_it_was_sent(tmp_path: Path, seed, capfd):
    async def main() -> object:
        clock, endpoint = WallClock(), f"ipc://{tmp_path}/guard"
        chip = SimulatedChip("chip", DriverContext(clock, 1, tmp_path))
        journal, readings = Journal(tmp_path / "guard.jsonl", clock), ChipReadings(tmp_path / "chip.csv")
        guard = Guard(chip, ChipLimits(max_c=500.0), journal, readings, clock, period_s=0.05, heartbeat_limit_s=60.0)
        with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind(endpoint)
            async with asyncio.TaskGroup() as tasks:
                await guard.connect()
                guard.beat()
                serving = tasks.create_task(_answer_all(socket, guard, tasks))
                answer = await bombarded(endpoint, hostile(seed, 3000, TO_A_GUARD), GuardCall(call="read"))
                serving.cancel()
        await chip.close()
        journal.close()
        readings.close()
        return answer

    told = asyncio.run(main())
    assert isinstance(told, dict)
    assert told["temperature_c"] < 501.0
    capfd.readouterr()


def test_a_late_monitor_has_the_whole_past():
    readings = [ev.ChipReading(0.5 * n, 25.0, 25.0, 0.0) for n in range(3600)]

    async def main() -> list[ev.Event | None]:
        events = ev.Events()
        for reading in readings:
            events.tell(reading)
        streams = Streams(None, events, Taken(), nothing)  # type: ignore[arg-type]  # holds no frame
        seen: list[ev.Event | None] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(streams.serve())
                source: AsyncIterator[ev.Event | None] = RemoteSession(streams.endpoints, quiet_s=0.2).events()
                async for event in source:
                    if event is None:
                        break
                    seen.append(event)
                    if len(seen) == 10:
                        await asyncio.sleep(0.2)  # a screen that is busy drawing
                await source.aclose()  # type: ignore[attr-defined]  # an async generator
                serving.cancel()
        finally:
            streams.close()
        return seen

    assert asyncio.run(main()) == readings


def test_a_result_is_taken_from_the_sessions_own_analysis_only():
    taken: list[object] = []

    async def main() -> None:
        streams = Streams(None, ev.Events(), Taken(taken.append, "known to one"), nothing)  # type: ignore[arg-type]
        context = zmq.Context()
        requests = RequestSocket(context, streams.endpoints["requests"], linger_ms=1000)
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(streams.serve())
                for token in ("", "guessed", "\u00e9", "known to one"):
                    requests.send(TakeResult(token=token), encode(STATE))
                await asyncio.to_thread(lambda: list(requests.ask(Head(), limit_s=5.0)))
                serving.cancel()
        finally:
            requests.close()
            context.destroy()
            streams.close()

    asyncio.run(main())
    assert taken == [STATE]
