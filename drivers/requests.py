"""Questions and answers over ZeroMQ: whoever asks has a DEALER, whoever answers a ROUTER.

A question is one JSON object, which names its kind in ``ask`` and carries a number; binary parts may follow. Each
answer repeats the number; several may belong to one question, of which the last says so. The kinds of questions belong
to those who answer: `drivers.stream_requests`, `controller.stream.protocol`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from drivers.errors import AlloyscopeError

if TYPE_CHECKING:
    import zmq.asyncio


class Question(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask"):
    """Base of all kinds."""


class Failure(msgspec.Struct, frozen=True):
    """Why a question got no answer: an error's type and its message."""

    kind: str
    message: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    last: bool = True
    value: Any = None
    failure: Failure | None = None


Reply = tuple[Any, list[bytes]]
"""An answer's value and its binary parts."""


class Refused(AlloyscopeError):
    """The one asked could not do it; carries the type of its error."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


class NotUnderstood(AlloyscopeError):
    """What arrived is no question, or no answer."""


class NoAnswer(AlloyscopeError):
    """Nobody answered within the limit."""


_UNREADABLE = (msgspec.MsgspecError, IndexError, ValueError, RecursionError)
"""What bytes from anywhere make of a decoder; text that is no UTF-8 is a ValueError."""
_answers = msgspec.json.Decoder(Answer)


def pack_question(number: int, question: Question, *parts: bytes) -> list[bytes]:
    return [msgspec.json.encode(msgspec.to_builtins(question) | {"id": number}), *parts]


def unpack_question(frames: list[bytes], kinds: msgspec.json.Decoder[Any]) -> tuple[int, Any, list[bytes]]:
    """Number, question and parts; raises `NotUnderstood`."""
    try:
        return number_of(frames), kinds.decode(frames[0]), frames[1:]
    except _UNREADABLE as error:
        raise NotUnderstood(f"not understood: {error}") from error


def number_of(frames: list[bytes]) -> int:
    """Also of a question that is not understood, so that whoever asked hears of it; 0 where there is none."""
    try:
        return int(msgspec.json.decode(frames[0])["id"])
    except (*_UNREADABLE, KeyError, TypeError, OverflowError):
        return 0


def pack_answer(answer: Answer, *parts: bytes) -> list[bytes]:
    return [msgspec.json.encode(answer), *parts]


def unpack_answer(frames: list[bytes]) -> tuple[Answer, list[bytes]]:
    """Raises `NotUnderstood`."""
    try:
        return _answers.decode(frames[0]), frames[1:]
    except _UNREADABLE as error:
        raise NotUnderstood(f"not understood: {error}") from error


class RequestSocket:
    """Asks one question after the other, from a thread or a process of its own."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, *, linger_ms: int = 0) -> None:
        self._socket = context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, linger_ms)
        _connect(self._socket, endpoint)
        self._number = 0

    def send(self, question: Question, *parts: bytes) -> None:
        """Ask without waiting for an answer."""
        self._number += 1
        self._socket.send_multipart(pack_question(self._number, question, *parts))

    def ask(self, question: Question, *parts: bytes, limit_s: float) -> Iterator[Reply]:
        """All answers as they come; raises `NoAnswer` when none comes for so long, `Refused` with a reason."""
        self.send(question, *parts)
        yield from self.answers(limit_s=limit_s)

    def answers(self, *, limit_s: float) -> Iterator[Reply]:
        """To the question that was sent last, as `ask` gives them."""
        until = time.monotonic() + limit_s
        while self._socket.poll(max(0, int(1000 * (until - time.monotonic())))):
            answer, parts = unpack_answer(self._socket.recv_multipart())
            if answer.id != self._number:
                continue  # of an earlier question, come late
            until = time.monotonic() + limit_s
            if answer.failure is not None:
                raise Refused(answer.failure)
            yield answer.value, parts
            if answer.last:
                return
        raise NoAnswer(f"no answer within {limit_s:g} s")

    def close(self) -> None:
        self._socket.close()


def _connect(socket: zmq.Socket[Any], endpoint: str) -> None:
    """A key is needed, and read, by addresses of the network only."""
    if endpoint.startswith("tcp://"):
        from drivers.keys import connect

        connect(socket, endpoint)
    else:
        socket.connect(endpoint)


def ask(endpoint: str, question: Question, *, limit_s: float) -> Any:
    """Ask one question that has one answer; raises as `RequestSocket.ask` does, and `zmq.ZMQError` for no address."""
    with zmq.Context() as context:
        socket = RequestSocket(context, endpoint)
        try:
            return [value for value, _ in socket.ask(question, limit_s=limit_s)][-1]
        finally:
            socket.close()


def say(endpoint: str, question: Question) -> None:
    """Send what is never answered."""
    with zmq.Context() as context:
        socket = RequestSocket(context, endpoint, linger_ms=1000)
        socket.send(question)
        socket.close()


async def replies(endpoint: str, question: Question, *, limit_s: float) -> AsyncGenerator[Reply, None]:
    """Ask one question from an event loop; ends early when no answer comes for so long, raises `Refused`."""
    import zmq.asyncio  # not by who must be quick: an emergency stop

    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, int(1000 * limit_s))
        _connect(socket, endpoint)
        await socket.send_multipart(pack_question(1, question))
        while await socket.poll(int(1000 * limit_s)):
            answer, parts = unpack_answer(await socket.recv_multipart())
            if answer.failure is not None:
                raise Refused(answer.failure)
            yield answer.value, parts
            if answer.last:
                return


async def answer_question(
    socket: zmq.asyncio.Socket,
    client: bytes,
    frames: list[bytes],
    kinds: msgspec.json.Decoder[Any],
    answers: Callable[[Any, list[bytes]], AsyncIterator[Reply]],
) -> None:
    """Answer one question with all that `answers` gives; its error, whatever it is, becomes a `Failure`."""
    number, rest = number_of(frames), list[bytes]()
    held: Reply | None = None
    try:
        _, question, parts = unpack_question(frames, kinds)
        async for reply in answers(question, parts):
            if held is not None:
                value, more = held
                await socket.send_multipart([client, *pack_answer(Answer(id=number, last=False, value=value), *more)])
            held = reply
        value, rest = held or (None, [])
        last = Answer(id=number, value=value)
    except Exception as error:  # noqa: BLE001  # a driver may raise anything; whoever asked must hear it in words
        last = Answer(id=number, failure=Failure(type(error).__name__, str(error) or type(error).__name__))
    await socket.send_multipart([client, *pack_answer(last, *rest)])
