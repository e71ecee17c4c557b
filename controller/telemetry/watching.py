"""A session watched through its broker: a source of events for the screen that needs the topics alone."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiomqtt

from controller import events as ev
from controller.telemetry.retelling import Retelling
from controller.telemetry.topics import STATUS
from drivers import broker_connection as connection
from drivers.broker import PLAIN_PORT, TLS_PORT, Broker, password_in, tls_context
from drivers.errors import ConfigError

_FORM = "mqtt://[USER@]HOST[:PORT]/ROOT/SITE/SESSION, or mqtts:// with TLS"
_RETAINED_S = 2.0
_LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True)
class Address:
    """A session at a broker."""

    broker: Broker
    base: str
    """The session's topic."""


def read_address(
    where: str, password_file: Path | None = None, password: str | None = None, ca_file: Path | None = None
) -> Address:
    """``mqtt://[user@]host[:port]/root/site/session``; raises `ConfigError` that says what is wrong with it."""
    found = urlsplit(where)
    try:
        port = found.port
    except ValueError:
        port = 0
    if found.password is not None:
        words = "a password in an address can be seen by everybody on the computer; use --password-file"
        raise ConfigError(f"{found.scheme}://{found.hostname}", [f"{words}, or ALLOYSCOPE_MQTT_PASSWORD"])
    base = unquote(found.path).strip("/")
    if found.scheme not in ("mqtt", "mqtts") or not found.hostname or port == 0 or base.count("/") < 2:
        raise ConfigError(where, [f"is no session at a broker; write {_FORM}"])
    if re.search(r"[+#\x00]", base) or "//" in base:
        raise ConfigError(where, ["a topic of one session has no +, # or empty level; give the session's own"])
    tls = found.scheme == "mqtts"
    if ca_file is not None and not tls:
        raise ConfigError(where, ["--ca is for TLS; write mqtts://"])
    broker = Broker(found.hostname, port or (TLS_PORT if tls else PLAIN_PORT), found.username or None)
    if found.username and password_file is not None:
        broker = replace(broker, password=password_in(password_file))
    elif found.username:
        broker = replace(broker, password=password)
    elif password_file is not None:
        raise ConfigError(where, ["a broker asks whose password it is; write mqtt://USER@HOST"])
    return Address(replace(broker, tls=tls_context(ca_file)) if tls else broker, base)


async def reach(address: Address) -> None:
    """Raises `ConfigError` where the broker lets nobody in, or has never heard of the session."""
    try:
        async with connection.client(address.broker) as client:
            above = address.base.rpartition("/")[0]
            await client.subscribe(f"{above}/+/{STATUS}", qos=1)
            others: set[str] = set()
            try:
                async with asyncio.timeout(_RETAINED_S):
                    async for message in client.messages:
                        others.add(str(message.topic).removesuffix(f"/{STATUS}"))
                        if address.base in others:
                            return
            except TimeoutError:
                there = f"; there are: {', '.join(sorted(others))}" if others else "; there is no session at this site"
    except (aiomqtt.MqttError, OSError) as error:
        raise ConfigError(address.base, [connection.why(error, address.broker)]) from error
    raise ConfigError(address.base, [f"{address.broker.address} has heard of no such session{there}"])


class SessionAtBroker:
    """A `Source` of events. Who has only a broker watches; nobody commands by it."""

    lacks = "no pictures by MQTT"

    def __init__(self, address: Address, *, quiet_s: float = 3.0) -> None:
        self._address, self._quiet_s = address, quiet_s
        self.retelling = Retelling(address.base)

    async def events(self) -> AsyncIterator[ev.Event | None]:
        pause_s, said = 0.25, False
        while True:
            try:
                async with connection.client(self._address.broker) as client:
                    await client.subscribe(f"{self._address.base}/#", qos=1)
                    pause_s, said = 0.25, False
                    async for event in self._heard(client):
                        yield event
            except (aiomqtt.MqttError, OSError) as error:
                if not said:
                    said = True
                    words = f"{connection.why(error, self._address.broker)} It is tried again and again."
                    yield ev.Log(0.0, "warning", words)
                yield None
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2.0 * pause_s, _LONGEST_PAUSE_S)

    async def command(self, name: str) -> str:
        return f"{name}: a session at a broker is only watched; use its folder, or its --listen address with a key"

    async def _heard(self, client: aiomqtt.Client) -> AsyncIterator[ev.Event | None]:
        coming = asyncio.ensure_future(anext(client.messages))
        try:
            while True:
                await asyncio.wait({coming}, timeout=self._quiet_s)
                if not coming.done():
                    yield None
                    continue
                message = coming.result()
                coming = asyncio.ensure_future(anext(client.messages))
                data = message.payload if isinstance(message.payload, bytes) else b""
                for event in self.retelling.read(str(message.topic), data):
                    yield event
        finally:
            coming.cancel()
