"""Where the screen's events come from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Protocol

import zmq
import zmq.asyncio

from controller import events as ev
from controller.stream.protocol import EventsSoFar
from controller.stream.running_session import send_command
from drivers.errors import AlloyscopeError
from drivers.keys import connect
from drivers.requests import replies

_AT_ONCE = 100
"""Events that are read one after the other: to wait for each costs more than to read it."""


class Source(Protocol):
    """A session to watch."""

    @property
    def lacks(self) -> str:
        """What it can never tell, in words; empty where it tells everything."""
        ...

    def events(self) -> AsyncIterator[ev.Event | None]:
        """Events so far, then as they come; None when there was no news for a while."""
        ...

    async def command(self, name: str) -> str:
        """Send a command and return the answer in words."""
        ...


class RemoteSession:
    """A session in another process."""

    lacks = ""

    def __init__(self, endpoints: dict[str, str], *, quiet_s: float = 3.0) -> None:
        self._endpoints = endpoints
        self._quiet_s = quiet_s

    async def events(self) -> AsyncIterator[ev.Event | None]:
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as live:
            live.setsockopt(zmq.LINGER, 0)
            live.subscribe(b"event")
            connect(live, self._endpoints["events"])
            async with aclosing(replies(self._endpoints["requests"], EventsSoFar(), limit_s=self._quiet_s)) as past:
                async for _, parts in past:
                    for part in parts:
                        yield ev.decode(part)
            there: zmq.Socket[bytes] = zmq.Socket.shadow(live)
            while True:
                if not await live.poll(int(1000 * self._quiet_s)):
                    yield None
                with suppress(zmq.Again):
                    for _ in range(_AT_ONCE):
                        yield ev.decode(there.recv_multipart(zmq.NOBLOCK)[1])
                await asyncio.sleep(0)  # however fast they come, keys are heard

    async def command(self, name: str) -> str:
        try:
            return await asyncio.to_thread(send_command, self._endpoints, name)
        except AlloyscopeError as error:
            return f"{name}: {error}"
