"""What waits for a broker: bounded; the session's thread puts, the publisher's takes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from controller.telemetry.topics import Outgoing

Numbered = tuple[int, Outgoing]
"""A message and its place among all."""


class Outbox:
    """Gives messages in the order in which they were put. Nobody waits here for more than a few list operations.

    Of more than `most`, the oldest readings are dropped; only when there are none, the oldest of the rest.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._readings: deque[Numbered] = deque()
        self._rest: deque[Numbered] = deque()
        self._next = 0
        self.dropped_readings = 0
        self.dropped_others = 0

    def __len__(self) -> int:
        return len(self._readings) + len(self._rest)

    @property
    def lost(self) -> str:
        """What has been dropped so far, in words; empty when nothing."""
        counts = {"readings": self.dropped_readings, "results, states or alarms": self.dropped_others}
        return " and ".join(f"{count} {name}" for name, count in counts.items() if count)

    def put(self, messages: Iterable[Outgoing]) -> None:
        with self._lock:
            for message in messages:
                self._queue_of(message).append((self._next, message))
                self._next += 1
            self._keep_bound()

    def take(self, most: int, *, readings_last: bool = False) -> list[Numbered]:
        """The oldest ones, which are then the taker's; where time is short, readings after everything else."""
        with self._lock:
            taken: list[Numbered] = []
            while len(taken) < most and (self._readings or self._rest):
                queues = [queue for queue in (self._rest, self._readings) if queue]
                oldest = queues[0] if readings_last else min(queues, key=lambda queue: queue[0][0])
                taken.append(oldest.popleft())
            return taken

    def put_back(self, taken: Iterable[Numbered]) -> None:
        """What could not be sent, in the order in which it was taken."""
        with self._lock:
            for numbered in reversed(list(taken)):
                self._queue_of(numbered[1]).appendleft(numbered)
            self._keep_bound()

    def _queue_of(self, message: Outgoing) -> deque[Numbered]:
        return self._readings if message.reading else self._rest

    def _keep_bound(self) -> None:
        while len(self) > self._most:
            if self._readings:
                self._readings.popleft()
                self.dropped_readings += 1
            else:
                self._rest.popleft()
                self.dropped_others += 1
