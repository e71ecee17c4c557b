"""The analysis process: a session's stream in, results out.

Run by the controller as ``python -m analysis.worker``. Frames arrive by subscription; whenever a sequence number is
missing (the subscription dropped it, or this process was started late or again) the worker asks the session's desk
for the items it lacks, which come from the recorder's files. It ends when the stream is closed and everything has
been answered, or when nobody has answered for a while.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import zmq

from analysis.arrhenius import ActivationEnergy
from analysis.pipeline import Pipeline
from analysis.results import Result, encode
from analysis.tilt_series_file import write_volume
from analysis.tomography.projector import Volume
from drivers.errors import CorruptFrame
from drivers.frames import StreamItem, seq_of, unpack

_POLL_MS = 300
_ANSWER_MS = 5000
_ORPHAN_S = 20.0


class Worker:
    """Keeps its place in the stream and feeds the pipeline."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], frames: str, desk: str, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._subscription = context.socket(zmq.SUB)
        self._subscription.setsockopt(zmq.RCVHWM, 200)
        self._subscription.subscribe(b"item")
        self._subscription.connect(frames)
        self._desk = context.socket(zmq.DEALER)
        self._desk.setsockopt(zmq.LINGER, 2000)
        self._desk.connect(desk)
        self._next = 0
        self._answered = time.monotonic()

    def run(self) -> int:
        """Work until the stream is closed; returns the process's exit code."""
        while True:
            if self._subscription.poll(0 if self._pipeline.untold else _POLL_MS):
                _, *parts = self._subscription.recv_multipart()
                try:
                    item = unpack(parts)
                except CorruptFrame:
                    continue  # its number will be missed and asked for
                if seq_of(item) > self._next:
                    self._fetch(seq_of(item))
                self._feed(item)
            elif self._pipeline.untold:
                self._send(self._pipeline.tell())
            else:
                head = self._ask({"ask": "head"})
                if head is None:
                    if time.monotonic() - self._answered > _ORPHAN_S:
                        return 3
                elif head["next_seq"] > self._next:
                    self._fetch(head["next_seq"])
                elif head["closed"]:
                    return 0

    def _feed(self, item: StreamItem) -> None:
        if seq_of(item) != self._next:
            return  # seen before, or still waiting for one in between
        self._next += 1
        self._send(self._pipeline.feed(item))

    def _send(self, results: list[Result]) -> None:
        for result in results:
            self._desk.send_multipart([json.dumps({"ask": "result"}).encode(), encode(result)])

    def _fetch(self, until: int) -> None:
        """Ask for the items from our place up to `until`."""
        while self._next < until:
            before = self._next
            self._desk.send_multipart([json.dumps({"ask": "items", "from": self._next, "to": until}).encode()])
            while self._desk.poll(_ANSWER_MS):
                kind, *parts = self._desk.recv_multipart()
                self._answered = time.monotonic()
                if kind == b"end":
                    break
                if kind == b"item":
                    self._feed(unpack(parts))
            if self._next == before:
                return

    def _ask(self, question: dict[str, str]) -> dict[str, int] | None:
        self._desk.send_multipart([json.dumps(question).encode()])
        deadline = time.monotonic() + 0.001 * _ANSWER_MS
        while self._desk.poll(max(0, int(1000 * (deadline - time.monotonic())))):
            kind, *parts = self._desk.recv_multipart()
            self._answered = time.monotonic()
            if kind == b"head":
                answer: dict[str, int] = json.loads(parts[0])
                return answer
        return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="analysis.worker")
    parser.add_argument("--frames", required=True, help="ZeroMQ endpoint of the frame stream")
    parser.add_argument("--desk", required=True, help="ZeroMQ endpoint that answers questions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--activation", type=json.loads, default=None, help="prior on the activation energy, JSON")
    parser.add_argument("--volumes", type=Path, default=None, help="folder for reconstructions")
    arguments = parser.parse_args()

    def keep(step: str, volume: Volume) -> None:
        arguments.volumes.mkdir(parents=True, exist_ok=True)
        write_volume(arguments.volumes / (step.replace("/", "_") + ".mrc"), volume)

    activation = None if arguments.activation is None else ActivationEnergy(**arguments.activation)
    keep_volume = keep if arguments.volumes else None
    pipeline = Pipeline(arguments.seed, activation=activation, preview=True, keep_volume=keep_volume)
    with zmq.Context() as context:
        worker = Worker(context, arguments.frames, arguments.desk, pipeline)
        try:
            return worker.run()
        finally:
            context.destroy(linger=2000)


if __name__ == "__main__":
    sys.exit(main())
