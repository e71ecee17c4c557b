"""Where the screen's events come from."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Protocol

import zmq
import zmq.asyncio

from controller import events as ev


class Source(Protocol):
    """A session to watch."""

    def events(self) -> AsyncIterator[ev.Event | None]:
        """Events so far, then as they come; None when there was no news for a while."""
        ...

    async def command(self, name: str) -> str:
        """Send a command and return the answer in words."""
        ...


class RemoteSession:
    """A session in another process."""

    def __init__(self, endpoints: dict[str, str], *, quiet_ms: int = 3000) -> None:
        self._endpoints = endpoints
        self._quiet_ms = quiet_ms

    async def events(self) -> AsyncIterator[ev.Event | None]:
        with zmq.asyncio.Context() as context:
            live, desk = context.socket(zmq.SUB), context.socket(zmq.DEALER)
            live.subscribe(b"event")
            live.connect(self._endpoints["events"])
            desk.setsockopt(zmq.LINGER, 0)
            desk.connect(self._endpoints["desk"])
            try:
                await desk.send(json.dumps({"ask": "events"}).encode())
                while await desk.poll(self._quiet_ms):
                    kind, *parts = await desk.recv_multipart()
                    if kind == b"end":
                        break
                    yield ev.decode(parts[0])
                while True:
                    if await live.poll(self._quiet_ms):
                        yield ev.decode((await live.recv_multipart())[1])
                    else:
                        yield None
            finally:
                live.close(linger=0)
                desk.close(linger=0)

    async def command(self, name: str) -> str:
        with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as desk:
            desk.setsockopt(zmq.LINGER, 1000)
            desk.connect(self._endpoints["desk"])
            await desk.send(json.dumps({"ask": "command", "command": name}).encode())
            if not await desk.poll(5000):
                return f"{name}: no answer from the session"
            answer: bytes = (await desk.recv_multipart())[-1]
            return answer.decode()
