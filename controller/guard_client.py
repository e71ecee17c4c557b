"""The controller's end of the guard process: a `HeatingChip` whose driver lives elsewhere."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio

from drivers import errors
from drivers.errors import AlloyscopeError, DeviceTimeout
from drivers.interfaces import HeaterReading

BEAT_S = 0.1
HANG_LIMIT_S = 2.0
_START_LIMIT_S = 30.0
_LEAVE_LIMIT_S = 20.0


class GuardClient:
    """Implements `HeatingChip` by asking the guard process.

    Heartbeats come from a thread, so that a slow disk or a busy processor does not cool the chip; the thread beats only
    while the event loop has shown itself within the last `HANG_LIMIT_S`. A killed or stopped process has no thread.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.name = "chip"
        self.simulated = False
        self.endpoint: str = settings["endpoint"]
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 200)
        self._socket.connect(settings["endpoint"])
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 0
        self._serving = False
        self._alive_at = time.monotonic()
        self._closing = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def connect(self) -> None:
        log = (Path(self._settings["folder"]) / "guard.log").open("ab")
        with log:
            # Its own session: neither a closed terminal nor a signal to our group may end the guard.
            self._process = subprocess.Popen(  # noqa: ASYNC220  # starts in milliseconds and must outlive this loop
                [sys.executable, "-m", "controller.guard_process", json.dumps(self._settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._heart.start()
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                self.simulated = bool(await self._call("connect"))
        except TimeoutError:
            raise DeviceTimeout(
                self.name, f"asked the guard to start, no answer within {_START_LIMIT_S:g} s; see guard.log"
            ) from None

    async def serve(self) -> None:
        """Take answers and show that the event loop lives, until cancelled."""
        self._serving = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._take_answers(), name="guard answers")
                tasks.create_task(self._show_life(), name="sign of life")
        finally:
            # Nobody takes answers any more: whoever waits for one must hear so.
            self._serving = False
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(self._gone())

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        await self._call("ramp_to", target_c, rate_c_per_s)

    async def quench(self) -> None:
        if self._serving:
            await self._call("quench")
        else:
            await self._socket.send(b'{"id":-1,"call":"quench"}')

    async def read(self) -> HeaterReading:
        return HeaterReading(**await self._call("read"))

    async def emergency_stop(self) -> None:
        await self._call("stop")

    async def make_safe(self) -> None:
        if self._serving:
            async with asyncio.timeout(2.0):
                await self._call("make_safe")
        else:
            await self._socket.send(b'{"id":-1,"call":"make_safe"}')

    async def close(self) -> None:
        """Say goodbye; the guard makes the chip safe once more and leaves."""
        await self._socket.send(json.dumps({"id": -1, "call": "leave"}).encode())
        self._closing.set()
        if self._heart.is_alive():
            await asyncio.to_thread(self._heart.join)
        left, process = True, self._process
        if process is not None:
            left = await asyncio.to_thread(_left, process)
        self._context.destroy(linger=200)
        if not left:
            raise errors.DeviceError(
                self.name,
                f"the guard did not leave within {_LEAVE_LIMIT_S:g} s and was ended; "
                "the state of the chip is unknown: check it by hand, see guard.jsonl",
            )

    async def _call(self, call: str, *args: float) -> Any:
        if not self._serving:
            raise self._gone()
        self._next_id += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._next_id] = answer
        await self._socket.send(json.dumps({"id": self._next_id, "call": call, "args": args}).encode())
        return await answer

    def _gone(self) -> errors.DeviceError:
        return errors.DeviceError(self.name, "the guard is no longer listened to; it makes the chip safe by itself")

    async def _take_answers(self) -> None:
        while True:
            answer = json.loads(await self._socket.recv())
            future = self._waiting.pop(answer["id"], None)
            if future is None or future.done():
                continue
            if "error" in answer:
                future.set_exception(_error(self.name, *answer["error"]))
            else:
                future.set_result(answer.get("value"))

    def _beat(self) -> None:
        """The heartbeat's thread, with a socket of its own."""
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(self.endpoint)
            while not self._closing.wait(BEAT_S):
                if time.monotonic() - self._alive_at < HANG_LIMIT_S:
                    socket.send(b'{"call":"beat"}')

    async def _show_life(self) -> None:
        while True:
            self._alive_at = time.monotonic()
            await asyncio.sleep(BEAT_S)
            if self._process is not None and self._process.poll() is not None:
                raise errors.InterlockTripped(
                    f"{self.name}: the guard process has ended (exit code {self._process.returncode}); "
                    "the state of the chip is unknown: check it by hand, see guard.jsonl"
                )


def _error(device: str, kind: str, message: str) -> AlloyscopeError:
    if kind == "InterlockTripped":
        return errors.InterlockTripped(message)
    if getattr(errors, kind, None) is None:  # a vendor's own
        return errors.DeviceError(device, message)
    error = AlloyscopeError.__new__({"LimitExceeded": errors.LimitExceeded}.get(kind, errors.DeviceError))
    Exception.__init__(error, message)
    return error


def _left(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended by itself; else it is ended."""
    try:
        process.wait(_LEAVE_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True
