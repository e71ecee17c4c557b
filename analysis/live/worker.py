"""The analysis process: a session's stream in, results out.

Run by the controller as ``python -m analysis.live.worker``. Frames arrive by subscription; whenever a sequence number
is missing (the subscription dropped it, or this process was started late or again) the worker asks the session for the
items it lacks, which come from the recorder's files. The first line of its standard input is the word by which its
results are known to be its own. It ends when the stream is closed and everything has been
answered, or when nobody has answered for a while.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import zmq

from analysis.files.volume_file import write_volume
from analysis.free_cores import following_free_cores
from analysis.live.pipeline import Pipeline
from analysis.live.settings import AnalysisSettings
from analysis.live.shared_particles import HowFarTogether, SharedParticles
from analysis.results import Result, encode
from analysis.tomography.projector import Volume
from drivers.errors import CorruptFrame
from drivers.frame_slab import SlabReader
from drivers.frames import StreamItem, seq_of, unpack
from drivers.recorded.folder import SessionFolder
from drivers.requests import NoAnswer, Question, Refused, RequestSocket
from drivers.stream_requests import Head, Items, OwnParticles, StreamHead, StreamShare, TakeResult

_POLL_MS = 300
_ANSWER_S = 5.0
_ORPHAN_S, _ORPHAN_ELSEWHERE_S = 20.0, 60.0
"""Without an answer, after which a session is taken for over; a network may be away for a while."""
_TRIES = 12

Answered = TypeVar("Answered", StreamHead, StreamShare)


class Worker:
    """Keeps its place in the stream and feeds the pipeline.

    Parameters
    ----------
    frames : where items are published; on another computer nowhere, since all are asked for there
    token : by which its results are known to be the session's own
    name : of one of several that share the particles
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        frames: str | None,
        requests: RequestSocket,
        pipeline: Pipeline,
        token: str = "",
        name: str = "",
    ) -> None:
        self._pipeline, self._requests, self._token, self._name = pipeline, requests, token, name
        self._subscription = None if frames is None else _subscribed(context, frames)
        self._together: HowFarTogether | None = None
        self._shared: SharedParticles | None = None
        if name:
            self._together = pipeline.together = HowFarTogether(requests, token)
            self._shared = SharedParticles(pipeline, self._share, self._past, self._send)
        self._slabs = SlabReader()
        self._told: set[str] = set()
        self._next = 0
        self._orphan_s = _ORPHAN_S if frames is not None else _ORPHAN_ELSEWHERE_S
        self._answered = time.monotonic()

    def run(self) -> int:
        """Work until the stream is closed; returns the process's exit code."""
        while True:
            if self._arrives():
                self._receive()
            elif self._pipeline.pending:
                self._send(self._pipeline.give_pending())
            else:
                head = self._head()
                if head is None:
                    if time.monotonic() - self._answered > self._orphan_s:
                        return 3
                elif head.next_seq > self._next:
                    self._fetch(head.next_seq)
                elif head.closed:
                    return 0
                elif self._shared is not None:
                    self._shared.look(self._next)

    def _arrives(self) -> bool:
        """Whether an item does; waits a little for one when there is nothing else to do."""
        wait_ms = 0 if self._pipeline.pending else _POLL_MS
        if self._subscription is not None:
            return bool(self._subscription.poll(wait_ms))
        time.sleep(0.001 * wait_ms)
        return False

    def _receive(self) -> None:
        assert self._subscription is not None, "something arrived there"
        _, *parts = self._subscription.recv_multipart()
        try:
            item = unpack(parts, self._slabs)
        except CorruptFrame as damage:
            self._tell_once(str(damage))
            return  # its number will be missed and asked for
        if seq_of(item) > self._next:
            self._fetch(seq_of(item))
        self._feed(item)

    def _tell_once(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            print(f"asked for again: {words}", file=sys.stderr, flush=True)

    def _feed(self, item: StreamItem) -> None:
        if seq_of(item) != self._next:
            return  # seen before, or still waiting for one in between
        self._next += 1
        if self._shared is None:
            self._send(self._pipeline.feed(item))
        else:
            self._shared.feed(item, seq_of(item))

    def _send(self, results: list[Result]) -> None:
        after = 0 if self._together is None else self._together.after
        for result in results:
            # What a screen draws may be lost on the way from another computer, and nothing else.
            sure = self._subscription is None and not result.passing
            question = TakeResult(token=self._token, after=after, answered=sure)
            if sure:
                send_surely(self._requests, question, encode(result))
            else:
                self._requests.send(question, encode(result))

    def _fetch(self, until: int) -> None:
        """Ask for the items from our place up to `until`."""
        while self._next < until:
            items, after = self._items(self._next, until)
            if after == self._next:
                return
            for item in items:
                self._feed(item)
            self._next = max(self._next, after)

    def _past(self, until: int) -> Iterator[StreamItem]:
        first = 0
        while first < until:
            items, after = self._items(first, until)
            if after == first:
                raise NoAnswer(f"nobody gives item {first}")
            yield from items
            first = after

    def _items(self, first: int, until: int) -> tuple[list[StreamItem], int]:
        """Some of the stream, and where it goes on.

        All are taken in before any is analysed: results that are sent meanwhile are questions, too.
        """
        found: list[StreamItem] = []
        try:
            for _, parts in self._requests.ask(Items(first=first, until=until), limit_s=_ANSWER_S):
                self._answered = time.monotonic()
                if parts:
                    found.append(unpack(parts))
        except NoAnswer:
            pass
        except (Refused, CorruptFrame) as damage:
            if not found:  # what came before it is analysed first; then it is left out, and the rest goes on
                print(f"item {first} is left out: {damage}", file=sys.stderr, flush=True)
                return [], first + 1
        return found, seq_of(found[-1]) + 1 if found else first

    def _head(self) -> StreamHead | StreamShare | None:
        return self._asked(Head(), StreamHead) if self._shared is None else self._asked_share()

    def _share(self) -> frozenset[str] | None:
        share = self._asked_share()
        if share is None:
            return None
        return frozenset() if share.closed else frozenset(share.particles)

    def _asked_share(self) -> StreamShare | None:
        return self._asked(OwnParticles(token=self._token, worker=self._name), StreamShare)

    def _asked(self, question: Question, kind: type[Answered]) -> Answered | None:
        found = None
        with suppress(NoAnswer, Refused):
            for value, _ in self._requests.ask(question, limit_s=_ANSWER_S):
                self._answered = time.monotonic()
                found = msgspec.convert(value, kind) if value is not None else found
        return found


def send_surely(requests: RequestSocket, question: Question, *parts: bytes) -> None:
    """Until it has been taken: a connection that broke comes again by itself, and what was on its way is lost."""
    for _ in range(_TRIES):
        with suppress(NoAnswer):
            with suppress(Refused):
                list(requests.ask(question, *parts, limit_s=_ANSWER_S))
            return


def _subscribed(context: zmq.Context[zmq.Socket[bytes]], frames: str) -> zmq.Socket[bytes]:
    subscription = context.socket(zmq.SUB)
    subscription.setsockopt(zmq.RCVHWM, 20)
    subscription.subscribe(b"item")
    subscription.connect(frames)
    return subscription


def main() -> int:
    parser = argparse.ArgumentParser(prog="analysis.live.worker")
    parser.add_argument("--frames", required=True, help="ZeroMQ endpoint of the frame stream")
    parser.add_argument("--requests", required=True, help="ZeroMQ endpoint that answers questions")
    parser.add_argument(
        "--settings", type=AnalysisSettings.model_validate_json, default=AnalysisSettings(), help="JSON"
    )
    parser.add_argument(
        "--folder",
        type=lambda path: SessionFolder(Path(path)),
        default=None,
        help="session folder, for reconstructions",
    )
    parser.add_argument("--name", default="", help="of one of several that share the particles")
    arguments = parser.parse_args()
    folder: SessionFolder | None = arguments.folder

    def keep(step: str, volume: Volume, voxel_nm: float) -> None:
        assert folder is not None, "asked for"
        folder.volumes.mkdir(parents=True, exist_ok=True)
        write_volume(folder.volume(step), volume, voxel_nm)

    pipeline = Pipeline(arguments.settings, keep_volume=None if folder is None else keep)
    with zmq.Context() as context:
        requests = RequestSocket(context, arguments.requests, linger_ms=2000)
        token = sys.stdin.readline().strip()
        worker = Worker(context, arguments.frames, requests, pipeline, token, arguments.name)
        try:
            with following_free_cores():
                return worker.run()
        finally:
            context.destroy(linger=2000)


if __name__ == "__main__":
    sys.exit(main())
