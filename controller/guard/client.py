"""The controller's end of the guard process: a `HeatingChip` whose driver lives elsewhere."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import zmq
import zmq.asyncio

from controller.guard.deputy import FAREWELL, stands_still
from controller.guard.settings import SOCKETS_PREFIX, DeputySettings, GuardSettings, as_line
from controller.stream.protocol import Beat, GuardCall, Leave
from controller.stream.socket_folder import new_socket_folder
from drivers import errors
from drivers.errors import AlloyscopeError, DeviceTimeout
from drivers.interfaces import HeaterReading
from drivers.recorded.folder import SessionFolder
from drivers.requests import Failure, Question, RequestSocket, pack_question, unpack_answer

BEAT_S = 0.1
HANG_LIMIT_S = 2.0
_START_LIMIT_S = 30.0
_LEAVE_LIMIT_S = 20.0
_TAKE_OVER_S = 20.0
_DEPUTIES = 5
"""That may die before no new one is started."""


class GuardClient:
    """A `GuardedChip` that asks the guard process.

    Heartbeats come from a thread, so that a slow disk or a busy processor does not cool the chip; the thread beats only
    while the event loop has shown itself within the last `HANG_LIMIT_S`. A killed or stopped process has no thread.
    """

    def __init__(self, settings: GuardSettings, microscope: str, microscope_options: dict[str, Any]) -> None:
        self.name = "chip"
        self.simulated = False
        self._sockets = new_socket_folder(SOCKETS_PREFIX)
        self._settings = msgspec.structs.replace(settings, endpoint=f"ipc://{self._sockets}/guard")
        self._microscope, self._microscope_options = microscope, microscope_options
        self._process: subprocess.Popen[bytes] | None = None
        self._deputy: subprocess.Popen[bytes] | None = None
        self._deputies = 0
        self._life = -1
        """Reading end of the pipe into which the guard writes; the deputy's."""
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 200)
        self._socket.connect(self._settings.endpoint)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 0
        self._serving = False
        self._alive_at = time.monotonic()
        self._closing = threading.Event()
        self._heart = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def endpoints(self) -> dict[str, str]:
        return {"guard": self._settings.endpoint}

    async def connect(self) -> None:
        self._life, writing = os.pipe()
        settings = msgspec.structs.replace(self._settings, alive_fd=writing)
        self._process = self._started("controller.guard.process", settings)
        os.close(writing)
        assert self._process.stdin is not None, "asked for"
        self._process.stdin.close()
        self._start_deputy()
        assert self._deputy is not None, "it was started"
        self._heart.start()
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                self.simulated = bool(await self._call(GuardCall(call="connect")))
                assert self._deputy.stdout is not None, "asked for"
                if not await asyncio.to_thread(self._deputy.stdout.readline):
                    raise errors.DeviceError(self.name, "the guard's deputy could not be started; see guard.log")
        except TimeoutError:
            raise DeviceTimeout(
                self.name, f"asked the guard to start, no answer within {_START_LIMIT_S:g} s; see guard.log"
            ) from None

    def _start_deputy(self) -> None:
        assert self._process is not None, "a deputy watches somebody"
        self._deputy = self._started(
            "controller.guard.deputy",
            DeputySettings(
                guard=msgspec.structs.replace(self._settings, alive_fd=self._life),
                guard_pid=self._process.pid,
                microscope=self._microscope,
                microscope_options=self._microscope_options,
            ),
            stdout=subprocess.PIPE,
        )

    def _replace_deputy(self, dead: subprocess.Popen[bytes]) -> None:
        self._deputies += 1
        for pipe in (dead.stdin, dead.stdout):
            if pipe is not None:
                pipe.close()
        last = " for the last time" if self._deputies == _DEPUTIES else ""
        print(f"warning: the guard's deputy has ended ({dead.returncode}); started again{last}", file=sys.stderr)
        with suppress(OSError):  # of a lost disk, on which its log is
            self._start_deputy()

    def _started(
        self, module: str, settings: GuardSettings | DeputySettings, *, stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        """A process of its own session: neither a closed terminal nor a signal to our group may end it."""
        with SessionFolder(Path(self._settings.folder)).guard_log.open("ab") as log:
            process = subprocess.Popen(
                # -P: a file json.py in the current folder is not what it is to import.
                [sys.executable, "-P", "-m", module],
                stdin=subprocess.PIPE,
                stdout=log if stdout is None else stdout,
                stderr=log,
                start_new_session=True,
                pass_fds=((settings if isinstance(settings, GuardSettings) else settings.guard).alive_fd,),
            )
        assert process.stdin is not None, "asked for"
        process.stdin.write(as_line(settings))
        process.stdin.flush()
        return process

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

    async def watch(self) -> None:
        """The guard watches by itself."""
        await asyncio.Event().wait()

    def beat(self) -> None:
        """A thread beats."""

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        await self._call(GuardCall(call="ramp_to", args=(target_c, rate_c_per_s)))

    async def quench(self) -> None:
        if self._serving:
            await self._call(GuardCall(call="quench"))
        else:
            await self._send(GuardCall(call="quench"))

    async def read(self) -> HeaterReading:
        return HeaterReading(**await self._call(GuardCall(call="read")))

    async def emergency_stop(self) -> None:
        await self._call(GuardCall(call="stop"))

    async def make_safe(self) -> None:
        if self._serving:
            async with asyncio.timeout(2.0):
                await self._call(GuardCall(call="make_safe"))
        else:
            await self._send(GuardCall(call="make_safe"))

    async def close(self, *, beam_is_blanked: bool = True) -> None:
        """Say goodbye; the guard makes the chip safe once more and leaves, however long that takes.

        Raises
        ------
        DeviceError
            When it has not left within `_LEAVE_LIMIT_S`: it goes on trying.
        """
        await self._send(Leave())
        self._closing.set()
        if self._heart.is_alive():
            await asyncio.to_thread(self._heart.join)
        left, process = True, self._process
        if process is not None:
            left = await asyncio.to_thread(_left, process)
        if self._deputy is not None:
            left = await asyncio.to_thread(_relieved, self._deputy, in_peace=beam_is_blanked) and left
        if self._life >= 0:
            os.close(self._life)
        self._context.destroy(linger=200)
        if not left:
            raise errors.DeviceError(
                self.name,
                f"the guard (process {self.pid}) has not left within {_LEAVE_LIMIT_S:g} s: the chip is not known to be "
                "cold, see guard.jsonl. It goes on switching it off; check the chip by hand",
            )
        shutil.rmtree(self._sockets, ignore_errors=True)

    async def _send(self, question: Question) -> int:
        self._next_id += 1
        await self._socket.send_multipart(pack_question(self._next_id, question))
        return self._next_id

    async def _call(self, call: GuardCall) -> Any:
        if not self._serving:
            raise self._gone()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._next_id + 1] = answer
        await self._send(call)
        return await answer

    def _gone(self) -> errors.DeviceError:
        return errors.DeviceError(self.name, "the guard is no longer listened to; it makes the chip safe by itself")

    async def _take_answers(self) -> None:
        while True:
            answer, _ = unpack_answer(await self._socket.recv_multipart())
            future = self._waiting.pop(answer.id, None)
            if future is None or future.done():
                continue
            if answer.failure is not None:
                future.set_exception(_error(self.name, answer.failure))
            else:
                future.set_result(answer.value)

    def _keep_beating(self) -> None:
        """The heartbeat's thread, with a socket of its own."""
        with zmq.Context() as context:
            socket = RequestSocket(context, self._settings.endpoint)
            while not self._closing.wait(BEAT_S):
                if time.monotonic() - self._alive_at < HANG_LIMIT_S:
                    socket.send(Beat())
            socket.close()

    async def _show_life(self) -> None:
        while True:
            self._alive_at = time.monotonic()
            await asyncio.sleep(BEAT_S)
            if self._deputy is not None and self._deputy.poll() is not None and self._deputies < _DEPUTIES:
                self._replace_deputy(self._deputy)
            if self._process is not None and self._process.poll() is not None:
                raise errors.InterlockTripped(await self._what_became_of_the_chip(self._process.returncode))

    async def _what_became_of_the_chip(self, code: int) -> str:
        """After the guard's end, which was not asked for: it has made the chip safe itself, or its deputy has."""
        ended = f"{self.name}: the guard process has ended (exit code {code})"
        if code == 0:
            return f"{ended}, and has made the chip safe"
        assert self._deputy is not None, "started with the guard"
        # Where both were killed at once, the deputy may have been seen alive a moment before the guard was seen dead.
        while await asyncio.to_thread(_ended, self._deputy) not in (None, 0) and self._deputies < _DEPUTIES:
            self._replace_deputy(self._deputy)
        match self._deputy.poll():
            case 0:
                return f"{ended}; its deputy has made the chip safe, it is cold"
            case None:
                became = "its deputy goes on switching off the chip"
            case _:
                became = "its deputies have ended as well, and nobody switches off the chip"
        return f"{ended}; {became}, which is not known to be cold: check it by hand"


def _ended(deputy: subprocess.Popen[bytes]) -> int | None:
    """Its exit code; None for one that is still at it after the time that taking over may need."""
    if stands_still(deputy.pid):
        deputy.kill()
    with suppress(subprocess.TimeoutExpired):
        deputy.wait(_TAKE_OVER_S)
    return deputy.returncode


def _error(device: str, failure: Failure) -> AlloyscopeError:
    if failure.kind == "InterlockTripped":
        return errors.InterlockTripped(failure.message)
    if getattr(errors, failure.kind, None) is None:  # a vendor's own
        return errors.DeviceError(device, failure.message)
    error = AlloyscopeError.__new__({"LimitExceeded": errors.LimitExceeded}.get(failure.kind, errors.DeviceError))
    Exception.__init__(error, failure.message)
    return error


def _relieved(deputy: subprocess.Popen[bytes], *, in_peace: bool) -> bool:
    """Whether the deputy has gone, with the chip known to be safe; without peace it first blanks the beam."""
    assert deputy.stdin is not None, "asked for"
    with suppress(OSError):
        if in_peace:
            deputy.stdin.write(FAREWELL)
        deputy.stdin.close()
    if deputy.stdout is not None:
        deputy.stdout.close()
    return _left(deputy) and deputy.returncode == 0


def _left(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended by itself; else it goes on, since it holds a chip that is not cold."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LEAVE_LIMIT_S)
    return process.returncode is not None
