"""The line to a device host (`drivers.device_host`): questions, answers, frames, a heartbeat; it may be cut.

Each call that is under way has a socket of its own, kept for the next one; a call that is given up closes it, so that
nothing old is ever taken for an answer, or sent when a lost line comes back.
"""

from __future__ import annotations

import asyncio
import os
import socket as network
import weakref
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import zmq
import zmq.asyncio

from drivers.clock import Clock
from drivers.device_host.__main__ import is_loopback
from drivers.device_host.host import VERSION
from drivers.errors import ConfigError, DeviceError, DeviceTimeout, LimitExceeded
from drivers.far_clock import FarClock
from drivers.keys import connect, try_door, with_key
from drivers.remote_heartbeat import Heartbeat
from drivers.remote_messages import FarAnswer, FarBeat, FarDevice, answers

Kind = Literal["chip", "microscope", "edx"]

_CONNECT_LIMIT_S = 60.0
_LEAVE_MS = 500
_ROUND_TRIPS, _MOST_ERROR_S = 8, 0.25
"""To set the clock by; how wrong the times of an instrument may be before its session is refused."""
_LARGEST = 1 << 30
"""Bytes of an image."""
_UNSAID = "is there an alloyscope device-host, does its computer run, and is the address right?"


class NotHeld(DeviceError):
    """The host gives the device to nobody at present: it has made it safe, or was started anew."""


class RemoteLine:
    """To one device of one host.

    Parameters
    ----------
    address : ``tcp://HOST:PORT``; beyond this computer with a `key`
    limit_s : for one call, or one frame of several
    silence_s : without a sign of life from the host, while it is asked for something
    """

    def __init__(
        self, device: str, kind: Kind, clock: Clock, address: str, key: Path | None, limit_s: float, silence_s: float
    ) -> None:
        problems = []
        if not address.startswith(("tcp://", "ipc://")):
            problems.append(f"{kind}.options.address: {address!r} is no address; write tcp://HOST:PORT")
        elif key is None and not is_loopback(address):
            problems.append(f"{kind}.options.key: {address} is on the network; name the operator.key of its host")
        if not (limit_s > 0.0 and silence_s > 0.0):
            problems.append(f"{kind}.options: limit_s and silence_s are to be above 0 s")
        if problems:
            raise ConfigError(f"{kind}.options", problems)
        self._device, self._kind, self._clock = device, kind, clock
        self._address = address if key is None else with_key(address, key)
        self.limit_s, self._silence_s = limit_s, silence_s
        self._who = f"{network.gethostname()}, process {os.getpid()}"
        self._context: zmq.asyncio.Context | None = None
        self._idle: list[zmq.asyncio.Socket] = []
        self._number = 0
        self._heart: Heartbeat | None = None
        self._taking = asyncio.Lock()
        self.far: FarDevice | None = None
        """Once it has been connected."""
        self.clock = FarClock()

    @property
    def place(self) -> str:
        """In words."""
        return self._address.partition("?")[0]

    async def connect(self) -> FarDevice:
        """Take the device; raises `DeviceError` where it cannot be had, with what to do."""
        if self._address != self.place:
            await asyncio.to_thread(try_door, self._address)
        return await self._take()

    async def _take(self) -> FarDevice:
        """Hold the device, from now on with a beat, and set the clock."""
        self._drop()
        value, _ = await self._once({"ask": "hello", "who": self._who}, "connect", _CONNECT_LIMIT_S)
        try:
            far = msgspec.convert(value, FarDevice)
        except msgspec.ValidationError as error:
            raise DeviceError(self._device, f"{self.place} is no device host of this version ({error})") from error
        if far.version != VERSION:
            found = f"{self.place} speaks version {far.version} of the wire, this program {VERSION}"
            raise DeviceError(self._device, f"{found}; copy the device host anew: alloyscope device-host --copy")
        await self.set_clock(far.token)
        error_s = self.clock.error_s(self._clock.now())
        if error_s > _MOST_ERROR_S:
            found = f"answers of {self.place} take so long that its times are known to {error_s:.2f} s only"
            raise DeviceError(self._device, f"{found}; {_MOST_ERROR_S:g} s are borne: use a better network")
        self.far = far
        self._heart = Heartbeat(self._address, self._kind, far, self.clock, self._clock)
        weakref.finalize(self, self._heart.stop)
        return far

    async def set_clock(self, token: str = "") -> None:
        """By some round trips; the heartbeat goes on with it."""
        self.clock.forget()
        for _ in range(_ROUND_TRIPS):
            asked_s = self._clock.now()
            value, _ = await self._once({"ask": "beat", "token": token}, "tell the time", self.limit_s)
            self.clock.add(asked_s, msgspec.convert(value, FarBeat).time_s, self._clock.now())

    async def _take_again(self, lost: FarDevice | None) -> None:
        """Unless another call has done so meanwhile."""
        async with self._taking:
            if self.far is lost:
                await self._take()

    async def ask(self, call: str, args: Mapping[str, Any], *, again: bool = False, limit_s: float = 0.0) -> Any:
        """The value of an answer; `again` for what may be asked once more of a host that has started anew."""
        value, _ = await self.ask_with_parts(call, args, again=again, limit_s=limit_s)
        return value

    async def ask_with_parts(
        self, call: str, args: Mapping[str, Any], *, again: bool = False, limit_s: float = 0.0
    ) -> tuple[Any, list[bytes]]:
        """And its binary parts."""
        limit_s, held = limit_s or self.limit_s, self.far
        try:
            return await self._once(self._question(call, args), call, limit_s)
        except NotHeld:
            if call in ("make_safe", "close"):
                raise
            await self._take_again(held)
            if not again:
                raise
            return await self._once(self._question(call, args), call, limit_s)

    async def each(
        self, call: str, args: Mapping[str, Any], *, limit_s: float = 0.0
    ) -> AsyncGenerator[tuple[Any, list[bytes]], None]:
        """Frame by frame, each of which is scanned when it is asked for."""
        socket, number, over = self._socket(), self._next_number(), False
        question, held = self._question(call, args), self.far
        try:
            while True:
                answer, parts = await self._answer(socket, number, question, call, limit_s or self.limit_s)
                if answer.last:
                    over = True
                    return
                yield answer.value, parts
                question = {"ask": "next", **self._terms()}
        except NotHeld:
            await self._take_again(held)
            raise
        finally:
            self._put_back(socket, number, answered=over)

    async def close(self) -> None:
        """Say goodbye."""
        try:
            if self.far is not None and self._context is not None:
                with suppress(NotHeld):
                    await self.ask("close", {})
        finally:
            self._drop(wait=True)
            if self._context is not None:
                for socket in self._idle:
                    if self.far is not None:
                        self._say(socket, self._next_number(), {"ask": "bye", "token": self.far.token})
                    socket.close(linger=_LEAVE_MS)
                self._idle.clear()
                self._context.destroy(linger=_LEAVE_MS)
                self._context = None
            self.far = None

    async def session_s(self, far_s: float) -> float:
        """A time that the host has stamped, on the session's clock."""
        if not self.clock.known:  # whoever reads without holding the device: the guard's deputy
            await self.set_clock()
        return self.clock.session_s(far_s, self._clock.now())

    def _question(self, call: str, args: Mapping[str, Any]) -> dict[str, Any]:
        return {"ask": "call", **self._terms(), "call": call, "args": args}

    def _terms(self) -> dict[str, Any]:
        """Who asks, and until when: a host that stood still does nothing that has been given up since."""
        if self.far is None:
            return {"token": ""}
        now_s = self._clock.now()
        waits_s = max(self._silence_s - self.clock.error_s(now_s), 0.5 * self._silence_s)
        return {"token": self.far.token, "until_s": self.clock.far_s(now_s) + waits_s}

    async def _once(self, question: Mapping[str, Any], asked: str, limit_s: float) -> tuple[Any, list[bytes]]:
        socket, number, answered = self._socket(), self._next_number(), False
        try:
            answer, parts = await self._answer(socket, number, question, asked, limit_s)
            answered = True
            return answer.value, parts
        except (NotHeld, _FarError):
            answered = True
            raise
        finally:
            self._put_back(socket, number, answered=answered)

    async def _answer(
        self, socket: zmq.asyncio.Socket, number: int, question: Mapping[str, Any], asked: str, limit_s: float
    ) -> tuple[FarAnswer, list[bytes]]:
        message = msgspec.json.encode({"id": number, "device": self._kind, **question})
        words = f"asked to {asked.replace('_', ' ')}, {self.place} "
        try:
            async with asyncio.timeout(self._silence_s):
                await socket.send(message)
        except TimeoutError:
            raise DeviceTimeout(
                self._device, f"{words}was not reached within {self._silence_s:g} s; {_UNSAID}"
            ) from None
        try:
            async with asyncio.timeout(limit_s):
                while await socket.poll(int(1000 * self._silence_s)):
                    head, *parts = await socket.recv_multipart()
                    answer = answers.decode(head)
                    if answer.id in (number, 0) and not answer.working:
                        return self._checked(answer, asked), parts
        except TimeoutError:
            found = f"has not done it within {limit_s:g} s; check the instrument, or raise {self._kind}.options.limit_s"
            raise DeviceTimeout(self._device, words + found) from None
        except msgspec.MsgspecError as error:
            raise DeviceError(self._device, f"{words}sent what is no answer ({error})") from error
        raise DeviceTimeout(
            self._device, f"{words}was not heard for {self._silence_s:g} s; check its computer and the line"
        )

    def _checked(self, answer: FarAnswer, asked: str) -> FarAnswer:
        trouble = answer.error
        if trouble is None:
            return answer
        host = self.place.removeprefix("tcp://")
        match trouble.kind:
            case "NotYours":
                raise NotHeld(
                    self._device, f"asked to {asked.replace('_', ' ')}, the host {host} refused: {trouble.words}"
                )
            case "Held" | "TooMany" | "TooLate" | "MessageRefused":
                raise _FarError(self._device, f"the host {host} refused: {trouble.words}")
            case "LimitExceeded":
                raise LimitExceeded(self._device, f"the driver on {host} said: {trouble.words}")
        name = "" if trouble.kind in ("DeviceError", "RuntimeError") else f"{trouble.kind}: "
        raise _FarError(self._device, f"the driver on {host} said: {name}{trouble.words}")

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _socket(self) -> zmq.asyncio.Socket:
        if self._idle:
            return self._idle.pop()
        self._context = self._context or zmq.asyncio.Context()
        socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing waits for a line to come back
        socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST)
        socket.setsockopt(zmq.LINGER, 0)
        connect(socket, self._address)
        return socket

    def _put_back(self, socket: zmq.asyncio.Socket, number: int, *, answered: bool) -> None:
        if socket.closed:
            return
        if answered:
            self._idle.append(socket)
            return
        self._say(socket, number, {"ask": "cancel"})
        socket.close(linger=_LEAVE_MS)

    def _say(self, socket: zmq.asyncio.Socket, number: int, question: Mapping[str, Any]) -> None:
        """Without waiting, and for no answer."""
        message = msgspec.json.encode({"id": number, "device": self._kind, **question})
        with suppress(zmq.ZMQError):
            zmq.Socket.shadow(socket.underlying).send(message, zmq.NOBLOCK)

    def _drop(self, *, wait: bool = False) -> None:
        if self._heart is not None:
            self._heart.stop()
            if wait:
                self._heart.join()
            self._heart = None


class _FarError(DeviceError):
    """What the far side said; the line is in order."""
