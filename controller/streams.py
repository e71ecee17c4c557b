"""The session on ZeroMQ: frames and events out, questions, results and commands in.

- ``frames`` (PUB): every stream item in order. A slow subscriber loses items, never holds up the session.
- ``events`` (PUB): what the screen shows.
- ``desk`` (ROUTER): ``items`` sends lost items again, ``head`` tells the stream's end, ``result`` hands in a result,
  ``events`` replays the memory of events, ``command`` pauses, resumes, aborts or stops.

Sockets are ipc files in a folder only its owner can enter, so the operating system decides who may connect.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import zmq
import zmq.asyncio

from analysis.results import Result, decode
from controller import events as ev
from controller.recorder import Recorder
from drivers.frames import Frame, SeriesEnd, StreamItem, pack, seq_of

Command = Callable[[str], Awaitable[str]]

_SEND_HWM = 500


class Streams:
    """Owns the three sockets of a session."""

    def __init__(
        self, recorder: Recorder, events: ev.Events, on_result: Callable[[Result], None], on_command: Command
    ) -> None:
        self._recorder, self._memory = recorder, events
        self._on_result, self._on_command = on_result, on_command
        self._folder = Path(tempfile.mkdtemp(prefix="alloyscope-"))
        self._context = zmq.Context()
        self._asyncio = zmq.asyncio.Context.shadow(self._context)
        self.endpoints = {name: f"ipc://{self._folder}/{name}" for name in ("frames", "events", "desk")}
        # Publishing never waits (PUB drops for whoever is slow), so only the desk needs to be awaited.
        self._frames = _bound(self._context.socket(zmq.PUB), self.endpoints["frames"])
        self._events = _bound(self._context.socket(zmq.PUB), self.endpoints["events"])
        self._desk = _bound(self._asyncio.socket(zmq.ROUTER), self.endpoints["desk"])
        self._marks: dict[int, SeriesEnd] = {}
        self.next_seq = 0
        self.closed = False
        events.listen(self._publish_event)

    def publish(self, item: StreamItem) -> None:
        """Send an item that has been recorded; its number must be `next_seq`."""
        if seq_of(item) != self.next_seq:
            raise ValueError(f"item {seq_of(item)} does not follow {self.next_seq - 1}")
        if isinstance(item, SeriesEnd):
            self._marks[item.seq] = item
        self.next_seq += 1
        self._send_item(item)

    def _send_item(self, item: StreamItem) -> None:
        self._frames.send_multipart([b"item", *pack(item)])

    async def serve(self) -> None:
        """Answer the desk until cancelled."""
        while True:
            client, *parts = await self._desk.recv_multipart()
            try:
                question = json.loads(parts[0])
                answers = await self._answer(question, parts[1:])
            except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
                answers = [[b"error", f"not understood: {error}".encode()]]
            for answer in answers:
                await self._desk.send_multipart([client, *answer])

    def close(self) -> None:
        self._desk.close(linger=500)
        self._context.destroy(linger=500)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _answer(self, question: dict[str, Any], parts: list[bytes]) -> list[list[bytes]]:
        match question["ask"]:
            case "items":
                first, last = int(question["from"]), min(int(question["to"]), self.next_seq)
                # A few at a time, so that commands are heard in between; the asker comes back for the rest.
                items = [await self._item(seq) for seq in range(max(0, first), min(last, first + 50))]
                return [*([b"item", *pack(item)] for item in items), [b"end"]]
            case "head":
                return [[b"head", json.dumps({"next_seq": self.next_seq, "closed": self.closed}).encode()]]
            case "result":
                self._on_result(decode(parts[0]))
                return []
            case "events":
                return [*([b"event", ev.encode(e)] for e in self._memory.memory()), [b"end"]]
            case "endpoints":
                return [[b"endpoints", json.dumps(self.endpoints).encode()]]
            case "command":
                return [[b"done", (await self._on_command(str(question["command"]))).encode()]]
            case other:
                return [[b"error", f"unknown question {other!r}".encode()]]

    async def _item(self, seq: int) -> StreamItem:
        mark = self._marks.get(seq)
        if mark is not None:
            return mark
        frame: Frame = await self._recorder.read(seq)
        return frame

    def _publish_event(self, event: ev.Event) -> None:
        self._events.send_multipart([b"event", ev.encode(event)])


Socket = TypeVar("Socket", bound="zmq.Socket[bytes] | zmq.asyncio.Socket")


def _bound(socket: Socket, endpoint: str) -> Socket:
    socket.setsockopt(zmq.SNDHWM, _SEND_HWM)
    socket.setsockopt(zmq.MAXMSGSIZE, 1 << 28)
    socket.bind(endpoint)
    return socket
