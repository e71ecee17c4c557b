"""The session on ZeroMQ: frames and events out, requests in.

- ``frames`` (PUB): every stream item in order, where possible with its pixels in shared memory. A slow subscriber loses
  items, never holds up the session.
- ``events`` (PUB): what the screen shows.
- ``requests`` (ROUTER): answers the questions of `controller.stream.protocol`.

Sockets are ipc files in a folder only its owner can enter, so the operating system decides who may connect. Where the
session is to be reached over the network, a `Door` answers there as well, by key.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any, TypeVar, assert_never

import msgspec
import numpy as np
import zmq
import zmq.asyncio

from analysis.results import decode
from controller import events as ev
from controller.record.recorder import Recorder
from controller.stream.door import Door
from controller.stream.protocol import Command, Endpoints, EventsSoFar, analysis_questions, session_questions
from controller.stream.shares import AnalysisOfSession
from controller.stream.socket_folder import new_socket_folder
from drivers.frame_slab import FrameSlab
from drivers.frames import Frame, SeriesEnd, StreamItem, pack, seq_of
from drivers.requests import NotUnderstood, Reply, answer_question, pack_question, unpack_question
from drivers.stream_requests import (
    Alive,
    Head,
    HowToAnalyse,
    Items,
    OfAnalysis,
    OwnParticles,
    StreamHead,
    StreamShare,
    TakeResult,
    TakeVolume,
    Together,
)

OnCommand = Callable[[str], Awaitable[str]]

_SEND_HWM = 500
_FRAMES_HWM = 20
"""Frames that wait for a slow subscriber; what is dropped is asked for again, from the disk."""
_ITEMS_AT_ONCE, _BYTES_AT_ONCE = 50, 1 << 24


class Streams:
    """Owns the three sockets of a session."""

    def __init__(
        self,
        recorder: Recorder,
        events: ev.Events,
        analysis: AnalysisOfSession,
        on_command: OnCommand,
        door: Door | None = None,
    ) -> None:
        """`door` : to the network"""
        self._analysis, self._door = analysis, door
        self._recorder, self._memory = recorder, events
        self._on_command = on_command
        self._folder = new_socket_folder()
        self._context = zmq.Context()
        self._asyncio = zmq.asyncio.Context.shadow(self._context)
        self.endpoints = {name: f"ipc://{self._folder}/{name}" for name in ("frames", "events", "requests")}
        # Publishing never waits (PUB drops for whoever is slow), so only requests need to be awaited.
        self._frames = _bound(self._context.socket(zmq.PUB), self.endpoints["frames"], _FRAMES_HWM)
        self._events = _bound(self._context.socket(zmq.PUB), self.endpoints["events"])
        self._requests = _bound(self._asyncio.socket(zmq.ROUTER), self.endpoints["requests"])
        self._slab = FrameSlab.where_possible()
        self._marks: dict[int, SeriesEnd] = {}
        self.next_seq = 0
        self.closed = False
        events.listen(self._publish_event)

    def go_on(self, next_seq: int, marks: Mapping[int, SeriesEnd], particles: Iterable[str]) -> None:
        """Go on after what is recorded already, of these particles in their order."""
        self.next_seq = next_seq
        self._marks |= marks
        for particle in particles:
            self._analysis.shares.meet(particle)
        for seq in sorted(marks):
            self._note_end(marks[seq])

    def publish(self, item: StreamItem) -> None:
        """Send an item that has been recorded; its number must be `next_seq`."""
        if seq_of(item) != self.next_seq:
            raise ValueError(f"item {seq_of(item)} does not follow {self.next_seq - 1}")
        if isinstance(item, SeriesEnd):
            self._marks[item.seq] = item
            self._note_end(item)
        else:
            self._analysis.shares.meet(item.header.particle)
        self.next_seq += 1
        self._send_item(item)

    def _note_end(self, mark: SeriesEnd) -> None:
        if mark.what == "tilt-series":
            self._analysis.shares.finish(mark.particle)

    def _send_item(self, item: StreamItem) -> None:
        self._frames.send_multipart([b"item", *pack(item, self._slab)])

    async def serve(self) -> None:
        """Answer requests until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._door is not None:
                self._door.open()
                tasks.create_task(self._door.serve(self._answers), name="requests from the network")
                elsewhere = self._door.serve_analyses(self._answer_elsewhere)
                tasks.create_task(elsewhere, name="analyses on other computers")
            await self._serve_here()

    async def _serve_here(self) -> None:
        while True:
            client, *frames = await self._requests.recv_multipart()
            await self._answer(self._requests, client, frames)

    async def _answer(self, socket: zmq.asyncio.Socket, client: bytes, frames: list[bytes]) -> None:
        """Answer a question, or take what is never answered."""
        with suppress(NotUnderstood):
            _, question, parts = unpack_question(frames, session_questions)
            if isinstance(question, TakeResult | TakeVolume | Alive):
                await self._take(question, parts)
                if isinstance(question, Alive) or not question.answered:
                    await asyncio.sleep(0)  # a socket that is full of them must not keep all else waiting
                    return
        await answer_question(socket, client, frames, session_questions, self._answers)

    async def _answer_elsewhere(self, socket: zmq.asyncio.Socket, client: bytes, frames: list[bytes]) -> None:
        """Of an analysis on another computer, whose key stands for the session's own token."""

        def with_token(question: Any) -> Any:
            known = hasattr(question, "token")
            return msgspec.structs.replace(question, token=self._analysis.token) if known else question

        with suppress(NotUnderstood):
            number, question, parts = unpack_question(frames, analysis_questions)
            await self._answer(socket, client, pack_question(number, with_token(question), *parts))
            return
        await answer_question(socket, client, frames, analysis_questions, self._answers)

    async def _take(self, question: TakeResult | TakeVolume | Alive, parts: list[bytes]) -> None:
        """One bad result must not end the session, and one that somebody else has made up is none."""
        try:
            self._check(question.token)
            match question:
                case TakeResult(after=after):
                    self._analysis.take(decode(parts[0]), after)
                case TakeVolume(step=step, voxel_nm=voxel_nm, shape=shape):
                    await self._analysis.take_volume(step, np.frombuffer(parts[0], np.float32).reshape(shape), voxel_nm)
                case Alive(worker=worker):
                    self._analysis.shares.hear(worker)
                case _:
                    assert_never(question)
        except Exception as error:  # noqa: BLE001  # whatever it is made of: files, screen and telemetry all take it
            self._memory.tell(ev.Log(0.0, "error", f"a result could not be kept: {str(error) or type(error).__name__}"))

    def _check(self, token: str) -> None:
        if not secrets.compare_digest(token.encode(), self._analysis.token.encode()):
            raise ValueError("it does not come from the session's own analysis")

    def close(self) -> None:
        if self._door is not None:
            self._door.close()
        self._requests.close(linger=500)
        self._context.destroy(linger=500)
        if self._slab is not None:
            self._slab.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _answers(
        self,
        question: OfAnalysis | EventsSoFar | Endpoints | Command,
        parts: list[bytes],
    ) -> AsyncIterator[Reply]:
        match question:
            case Items(first=first, until=until):
                # A few at a time, so that commands are heard in between; the asker comes back for the rest.
                sent = 0
                for seq in range(max(0, first), min(until, self.next_seq, first + _ITEMS_AT_ONCE)):
                    item = [bytes(part) for part in pack(await self._item(seq))]
                    sent += sum(len(part) for part in item)
                    yield None, item
                    if sent > _BYTES_AT_ONCE:
                        break
            case Head():
                yield msgspec.to_builtins(StreamHead(self.next_seq, self.closed)), []
            case OwnParticles(token=token, worker=worker):
                self._check(token)
                own = self._analysis.shares.of(worker)
                # Whoever has done its own may still be needed for what a dead one had.
                over = self.closed and self._analysis.is_complete
                yield msgspec.to_builtins(StreamShare(self.next_seq, over, own)), []
            case Together(token=token, particle=particle, pulses=pulses):
                self._check(token)
                number, of_all = self._analysis.shares.diffused(particle, pulses, parts[0])
                yield number, of_all
            case HowToAnalyse(worker=worker, version=theirs):
                if theirs != version("alloyscope"):
                    words = f"the session runs version {version('alloyscope')}, this is {theirs}"
                    raise ValueError(f"{words}; install the same, since two do not tell the same numbers")
                self._analysis.shares.check_name(worker)
                yield self._analysis.settings.model_dump_json(), []
            case TakeResult() | TakeVolume() | Alive():
                yield None, []  # taken before it is answered
            case EventsSoFar():
                # In one message: of many in a row a socket drops what is above its high-water mark.
                yield None, [ev.encode(event) for event in self._memory.memory()]
            case Endpoints():
                yield self.endpoints, []
            case Command(command=command):
                yield await self._on_command(command), []
            case _:
                assert_never(question)

    async def _item(self, seq: int) -> StreamItem:
        mark = self._marks.get(seq)
        if mark is not None:
            return mark
        frame: Frame = await self._recorder.read(seq)
        return frame

    def _publish_event(self, event: ev.Event) -> None:
        encoded = ev.encode(event)
        self._events.send_multipart([b"event", encoded])
        if self._door is not None:
            self._door.publish(encoded)


Socket = TypeVar("Socket", bound="zmq.Socket[bytes] | zmq.asyncio.Socket")


def _bound(socket: Socket, endpoint: str, most: int = _SEND_HWM) -> Socket:
    socket.setsockopt(zmq.SNDHWM, most)
    socket.setsockopt(zmq.MAXMSGSIZE, 1 << 28)
    socket.bind(endpoint)
    return socket
