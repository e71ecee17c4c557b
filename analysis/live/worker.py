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
from contextlib import suppress
from pathlib import Path

import msgspec
import zmq

from analysis.files.volume_file import write_volume
from analysis.free_cores import following_free_cores
from analysis.live.pipeline import Pipeline
from analysis.live.settings import AnalysisSettings
from analysis.results import Result, encode
from analysis.tomography.projector import Volume
from drivers.errors import CorruptFrame
from drivers.frame_slab import SlabReader
from drivers.frames import StreamItem, seq_of, unpack
from drivers.recorded.folder import SessionFolder
from drivers.requests import NoAnswer, Refused, RequestSocket
from drivers.stream_requests import Head, Items, StreamHead, TakeResult

_POLL_MS = 300
_ANSWER_S = 5.0
_ORPHAN_S = 20.0


class Worker:
    """Keeps its place in the stream and feeds the pipeline."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], frames: str, requests: str, pipeline: Pipeline, token: str = ""
    ) -> None:
        self._pipeline, self._token = pipeline, token
        self._subscription = context.socket(zmq.SUB)
        self._subscription.setsockopt(zmq.RCVHWM, 20)
        self._subscription.subscribe(b"item")
        self._subscription.connect(frames)
        self._requests = RequestSocket(context, requests, linger_ms=2000)
        self._slabs = SlabReader()
        self._told: set[str] = set()
        self._next = 0
        self._answered = time.monotonic()

    def run(self) -> int:
        """Work until the stream is closed; returns the process's exit code."""
        while True:
            if self._subscription.poll(0 if self._pipeline.pending else _POLL_MS):
                _, *parts = self._subscription.recv_multipart()
                try:
                    item = unpack(parts, self._slabs)
                except CorruptFrame as damage:
                    self._tell_once(str(damage))
                    continue  # its number will be missed and asked for
                if seq_of(item) > self._next:
                    self._fetch(seq_of(item))
                self._feed(item)
            elif self._pipeline.pending:
                self._send(self._pipeline.give_pending())
            else:
                head = self._head()
                if head is None:
                    if time.monotonic() - self._answered > _ORPHAN_S:
                        return 3
                elif head.next_seq > self._next:
                    self._fetch(head.next_seq)
                elif head.closed:
                    return 0

    def _tell_once(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            print(f"asked for again: {words}", file=sys.stderr, flush=True)

    def _feed(self, item: StreamItem) -> None:
        if seq_of(item) != self._next:
            return  # seen before, or still waiting for one in between
        self._next += 1
        self._send(self._pipeline.feed(item))

    def _send(self, results: list[Result]) -> None:
        for result in results:
            self._requests.send(TakeResult(token=self._token), encode(result))

    def _fetch(self, until: int) -> None:
        """Ask for the items from our place up to `until`."""
        while self._next < until:
            before = self._next
            # All are taken in before any is analysed: results that are sent meanwhile are questions, too.
            for item in self._items(until):
                self._feed(item)
            if self._next == before:
                return

    def _items(self, until: int) -> list[StreamItem]:
        found: list[StreamItem] = []
        try:
            for _, parts in self._requests.ask(Items(first=self._next, until=until), limit_s=_ANSWER_S):
                self._answered = time.monotonic()
                if parts:
                    found.append(unpack(parts))
        except NoAnswer:
            pass
        except (Refused, CorruptFrame) as damage:
            if not found:  # what came before it is analysed first; then it is left out, and the rest goes on
                print(f"item {self._next} is left out: {damage}", file=sys.stderr, flush=True)
                self._next += 1
        return found

    def _head(self) -> StreamHead | None:
        head = None
        with suppress(NoAnswer, Refused):
            for value, _ in self._requests.ask(Head(), limit_s=_ANSWER_S):
                self._answered = time.monotonic()
                head = msgspec.convert(value, StreamHead) if value is not None else head
        return head


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
    arguments = parser.parse_args()
    folder: SessionFolder | None = arguments.folder

    def keep(step: str, volume: Volume, voxel_nm: float) -> None:
        assert folder is not None, "asked for"
        folder.volumes.mkdir(parents=True, exist_ok=True)
        write_volume(folder.volume(step), volume, voxel_nm)

    pipeline = Pipeline(arguments.settings, keep_volume=None if folder is None else keep)
    with zmq.Context() as context:
        worker = Worker(context, arguments.frames, arguments.requests, pipeline, sys.stdin.readline().strip())
        try:
            with following_free_cores():
                return worker.run()
        finally:
            context.destroy(linger=2000)


if __name__ == "__main__":
    sys.exit(main())
