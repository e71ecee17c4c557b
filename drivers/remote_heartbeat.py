"""The heartbeat by which a device host knows that its session lives, and by which its clock is read."""

from __future__ import annotations

import threading
from contextlib import suppress

import msgspec
import zmq

from drivers.clock import Clock
from drivers.far_clock import FarClock
from drivers.keys import connect
from drivers.remote_messages import FarBeat, FarDevice, answers


class Heartbeat(threading.Thread):
    """Shows the host that this process lives, and reads its clock; ends when it no longer holds the device."""

    def __init__(self, address: str, kind: str, far: FarDevice, far_clock: FarClock, clock: Clock) -> None:
        super().__init__(name=f"heartbeat of the {kind}", daemon=True)
        self._address, self._far, self._far_clock, self._clock = address, far, far_clock, clock
        self._head = {"device": kind, "ask": "beat", "token": far.token}
        self._stopped = threading.Event()
        self.start()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.IMMEDIATE, 1)
            connect(socket, self._address)
            number, asked_s = 0, 0.0
            while not self._stopped.wait(self._far.line_s / 8.0):
                number, asked_s = number + 1, self._clock.now()
                with suppress(zmq.Again):  # the line is cut; it may come back
                    socket.send(msgspec.json.encode({"id": number, **self._head}), zmq.NOBLOCK)
                if socket.poll(int(125 * self._far.line_s)) and not self._heard(socket, number, asked_s):
                    return

    def _heard(self, socket: zmq.Socket[bytes], number: int, asked_s: float) -> bool:
        """Whether to go on."""
        answered_s = self._clock.now()
        with suppress(zmq.Again, msgspec.MsgspecError):
            while True:
                answer = answers.decode(socket.recv(zmq.NOBLOCK))
                beat = msgspec.convert(answer.value, FarBeat)
                if not beat.yours or beat.host != self._far.host:
                    return False
                if answer.id == number:
                    self._far_clock.add(asked_s, beat.time_s, answered_s)
        return True
