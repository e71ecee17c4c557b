"""Questions over real sockets: answered, refused in words, or not understood; never passed over in silence."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec
import pytest
import zmq
import zmq.asyncio

from analysis.results import encode
from controller import events as ev
from controller.stream.protocol import Command, EventsSoFar, GuardCall, session_questions
from controller.stream.running_session import send_command
from controller.stream.streams import Streams
from drivers.errors import DeviceError
from drivers.requests import NoAnswer, Question, Refused, Reply, answer_question, ask, replies
from drivers.stream_requests import Head, OwnParticles, TakeResult
from tests.analysis.results.test_results import STATE
from tests.controller.stream.taken import Taken

LIMIT_S = 5.0


class Unknown(Question, frozen=True, kw_only=True, tag="unknown"):
    """Of a newer version."""


@pytest.fixture
def answering(tmp_path) -> Iterator[Callable[..., str]]:
    """Starts a thread that answers questions at an address."""
    ended: list[tuple[threading.Event, threading.Thread]] = []

    def start(answers: Callable[[object, list[bytes]], AsyncIterator[Reply]], name: str = "requests") -> str:
        endpoint, over, ready = f"ipc://{tmp_path}/{name}", threading.Event(), threading.Event()

        async def serve() -> None:
            with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as socket:
                socket.setsockopt(zmq.LINGER, 0)
                socket.bind(endpoint)
                ready.set()
                while not over.is_set():
                    if await socket.poll(20):
                        client, *frames = await socket.recv_multipart()
                        kinds = msgspec.json.Decoder(Command | EventsSoFar | Head | GuardCall)
                        await answer_question(socket, client, frames, kinds, answers)

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        ready.wait(LIMIT_S)
        ended.append((over, thread))
        return endpoint

    yield start
    for over, thread in ended:
        over.set()
        thread.join()


async def obliging(question: object, _: list[bytes]) -> AsyncIterator[Reply]:
    if isinstance(question, EventsSoFar):
        for n in range(3):
            yield None, [bytes([n])]
    elif isinstance(question, Command) and question.command == "fail":
        raise DeviceError("chip", "is on fire")
    elif isinstance(question, Command):
        yield question.command.upper(), []


def test_one_question_has_one_answer_and_a_long_one_many(answering):
    endpoint = answering(obliging)
    assert ask(endpoint, Command(command="pause"), limit_s=LIMIT_S) == "PAUSE"

    async def collected() -> list[bytes]:
        return [parts[0] async for _, parts in replies(endpoint, EventsSoFar(), limit_s=LIMIT_S)]

    assert asyncio.run(collected()) == [b"\0", b"\1", b"\2"]


def test_what_cannot_be_done_or_is_not_understood_is_heard_at_once(answering):
    endpoint = answering(obliging)
    with pytest.raises(Refused, match="on fire"):
        ask(endpoint, Command(command="fail"), limit_s=LIMIT_S)
    with pytest.raises(Refused, match="not understood"):
        ask(endpoint, Unknown(), limit_s=LIMIT_S)


def test_nobody_there_is_said_after_the_limit(tmp_path):
    with pytest.raises(NoAnswer, match=r"0\.1 s"):
        ask(f"ipc://{tmp_path}/nobody", Head(), limit_s=0.1)


def test_an_emergency_stop_reaches_the_guard_when_the_session_refuses_or_is_silent(answering, tmp_path, monkeypatch):
    monkeypatch.setattr("controller.stream.running_session._ANSWER_S", 0.5)
    stopped = []

    async def guard(question: GuardCall, _: list[bytes]) -> AsyncIterator[Reply]:
        stopped.append(question.call)
        yield {"temperature_c": 312.0, "power_mw": 0.0, "off": True}, []

    async def still_hot(question: GuardCall, _: list[bytes]) -> AsyncIterator[Reply]:
        yield {"temperature_c": 450.0, "power_mw": 25.0, "off": False}, []

    async def broken(question: Command, _: list[bytes]) -> AsyncIterator[Reply]:
        raise OSError("No space left on device")
        yield

    at_guard, at_session = answering(guard, "guard"), answering(broken)
    for requests in (at_session, f"ipc://{tmp_path}/hangs"):
        words = send_command({"requests": requests, "guard": at_guard}, "stop")
        assert "the chip reads 312 C, 0.0 mW" in words
        assert "does not answer" in words
    assert stopped == ["stop", "stop"]
    with pytest.raises(DeviceError, match=r"NOT confirmed.*450 C, 25\.0 mW"):
        send_command({"requests": at_session, "guard": answering(still_hot, "hot")}, "stop")


@pytest.mark.parametrize(
    "parts", [[b"nonsense"], [], [encode(STATE)]], ids=["no result", "nothing", "one that cannot be kept"]
)
def test_a_result_that_cannot_be_taken_is_said_and_ends_nothing(parts):
    async def main() -> list[str]:
        said: list[str] = []
        events, heard = ev.Events(), asyncio.Event()

        def hear(event: ev.Event) -> None:
            if isinstance(event, ev.Log):
                said.append(event.text)
                heard.set()

        events.listen(hear)

        def full(_: object) -> None:
            raise OSError(28, "No space left on device")

        async def commanded(name: str) -> str:
            return name.upper()

        streams = Streams(None, events, Taken(full), commanded)  # type: ignore[arg-type]  # no frame is asked for
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(streams.serve())
            with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
                socket.setsockopt(zmq.LINGER, 500)
                socket.connect(streams.endpoints["requests"])
                await socket.send_multipart([msgspec.json.encode(TakeResult()), *parts])
                await asyncio.sleep(0)
                async for answer, _ in replies(
                    streams.endpoints["requests"], Command(command="pause"), limit_s=LIMIT_S
                ):
                    assert answer == "PAUSE"
                await heard.wait()
            serving.cancel()
        streams.close()
        return said

    (words,) = asyncio.run(main())
    assert "could not be kept" in words


def test_all_questions_have_a_kind_of_their_own():
    for question in (Head(), EventsSoFar(), Command(command="stop"), OwnParticles(worker="w")):
        assert session_questions.decode(msgspec.json.encode(question)) == question
