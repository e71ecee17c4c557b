"""The session's door to the network: encrypted, opened by keys (`drivers.keys`).

Operators and observers ask at one port and hear of events at the next. Analyses on other computers ask at the one after
that, where they alone are let in: frames go out there, and results come in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import zmq
import zmq.asyncio
from zmq.auth.asyncio import AsyncioAuthenticator

from controller.stream.protocol import Command, Endpoints, EventsSoFar
from drivers.errors import AlloyscopeError, ConfigError
from drivers.key_file import Key, read_key
from drivers.requests import Reply, answer_question

_questions = msgspec.json.Decoder(Command | EventsSoFar | Endpoints)
_DOMAIN, _LARGEST = "alloyscope", 1 << 16
_ANALYSES, _LARGEST_RESULT = "alloyscope-analyses", 1 << 28
"""Who is let in, and bytes of a question; a reconstruction is one as well."""
FOR_ANALYSES = 2
"""Ports after the one for requests."""

Answers = Callable[[Any, list[bytes]], AsyncIterator[Reply]]
Answer = Callable[[zmq.asyncio.Socket, bytes, list[bytes]], Awaitable[None]]


def next_port(address: str, by: int = 1) -> str:
    """Where events are, beside an address of requests; raises `ConfigError` for what is no ``tcp://host:port``."""
    head, _, port = address.rpartition(":")
    if not (head.startswith("tcp://") and len(head) > 6 and port.isdecimal() and 0 < int(port) <= 65535 - FOR_ANALYSES):
        raise ConfigError(address, ["is no address; write tcp://HOST:PORT, whose next two ports are used as well"])
    return f"{head}:{int(port) + by}"


class Door:
    """Sockets on the network: requests, events on the next port, and one for analyses where the key knows of any."""

    def __init__(self, address: str, key_file: Path) -> None:
        self._address, self._events_address = address, next_port(address)
        self._analyses_address = next_port(address, FOR_ANALYSES)
        self._key: Key = read_key(key_file)
        if self._key.role != "session":
            raise ConfigError(str(key_file), [f"is the key of an {self._key.role}; a session listens with session.key"])
        self.for_analyses = bool(self._key.analysts)
        """Whether analyses on other computers may join."""
        self._context = zmq.asyncio.Context()
        self._auth = AsyncioAuthenticator(self._context)
        self._events: zmq.Socket[bytes] | None = None
        self._plain: zmq.Context[zmq.Socket[bytes]] = zmq.Context.shadow(self._context.underlying)

    def open(self) -> None:
        """Within a running event loop; raises `ConfigError` where the address cannot be had."""
        self._auth.start()
        for domain in (_DOMAIN, _ANALYSES):
            self._auth.configure_curve_callback(domain, credentials_provider=self)
        try:
            self._requests = self._listening(self._context.socket(zmq.ROUTER), self._address)
            self._events = self._listening(self._plain.socket(zmq.PUB), self._events_address)
            if self.for_analyses:
                of_analyses = self._context.socket(zmq.ROUTER)
                self._analyses = self._listening(of_analyses, self._analyses_address, _ANALYSES, _LARGEST_RESULT)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigError(self._address, [f"cannot be listened at ({error}); choose another one"]) from error

    def callback(self, domain: str, key: bytes) -> bool:
        """Of the authenticator: whether a public key may come in."""
        known = self._key.analysts if domain == _ANALYSES else (*self._key.operators, *self._key.observers)
        return key.decode() in known

    def publish(self, event: bytes) -> None:
        if self._events is not None:
            self._events.send_multipart([b"event", event])

    async def serve(self, answers: Answers) -> None:
        """Answer until cancelled."""
        while True:
            client, *frames = await self._requests.recv_multipart(copy=False)
            may_command = client.get("User-Id") in self._key.operators

            async def allowed(question: Any, parts: list[bytes], ask: bool = may_command) -> AsyncIterator[Reply]:
                if isinstance(question, Command) and not ask:
                    raise AlloyscopeError(f"{question.command}: an observer's key only watches; use an operator's")
                async for reply in answers(question, parts):
                    yield reply

            parts = [frame.bytes for frame in frames]
            await answer_question(self._requests, client.bytes, parts, _questions, allowed)

    async def serve_analyses(self, answer: Answer) -> None:
        """Let analyses ask, where the session's key knows of any, until cancelled."""
        while self.for_analyses:
            client, *frames = await self._analyses.recv_multipart()
            await answer(self._analyses, client, frames)

    def close(self) -> None:
        self._auth.stop()
        if self._events is not None:
            self._events.close(linger=200)
        self._context.destroy(linger=200)

    def _listening(self, socket: Any, address: str, domain: str = _DOMAIN, largest: int = _LARGEST) -> Any:
        socket.curve_server = True
        socket.curve_secretkey = self._key.secret.encode()
        socket.setsockopt(zmq.MAXMSGSIZE, largest)
        socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode())
        socket.setsockopt(zmq.LINGER, 200)
        socket.bind(address)
        return socket
