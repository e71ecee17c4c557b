"""A connection to a broker, and in a sentence why there is none."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from drivers.broker import Broker

ANSWER_S = 5.0
"""Within which a broker must answer."""
KEEPALIVE_S = 10
"""A broker that hears nothing for one and a half times as long publishes the last will."""
IN_FLIGHT = 100
"""Messages that wait for their acknowledgement at a time."""
_WRONG_PASSWORD = (134, 135)
_T = TypeVar("_T")

_silent = logging.getLogger("drivers.broker_connection")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class _Client(aiomqtt.Client):
    """Closes a connection that is not answered, which aiomqtt would leave open, with a task beside it.

    Who was cancelled hears just that, whatever fails while it says goodbye.
    """

    async def __aenter__(self) -> Self:
        try:
            return await super().__aenter__()
        except BaseException:
            with suppress(aiomqtt.MqttError):
                await super().__aexit__(None, None, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        except aiomqtt.MqttError:
            if kind is None or not issubclass(kind, asyncio.CancelledError):
                raise

    async def _wait_for(self, fut: Awaitable[_T], timeout: float | None) -> _T:
        """As aiomqtt's, whose `asyncio.wait_for` loses, in Python 3.11, a cancellation that comes with the answer."""
        within_s = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(None if within_s == math.inf else within_s):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None


def client(
    broker: Broker, will: aiomqtt.Will | None = None, *, identifier: str | None = None, answer_s: float | None = None
) -> aiomqtt.Client:
    """To be entered; raises `aiomqtt.MqttError`, or whatever else `why` explains.

    Parameters
    ----------
    identifier : of who comes again as the same one: the broker then ends a connection of before, with its last will
    answer_s : within which the broker must answer; by default `ANSWER_S`
    """
    made = _Client(
        broker.host,
        broker.port,
        username=broker.username,
        password=broker.password,
        tls_context=broker.tls,
        will=will,
        identifier=identifier,
        keepalive=KEEPALIVE_S,
        timeout=ANSWER_S if answer_s is None else answer_s,
        max_inflight_messages=IN_FLIGHT,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # three times as many messages a second
        logger=_silent,
    )
    made.pending_calls_threshold = 2 * IN_FLIGHT
    return made


def pass_over(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For loops: aiomqtt may ask to write to a socket that has just been closed; its end is told anyway."""
    _silent.warning(context["message"])


def why(error: BaseException, broker: Broker, answer_s: float | None = None) -> str:
    """What keeps a broker from being used, and what to do, in half a sentence; `answer_s` as for `client`."""
    within_s = ANSWER_S if answer_s is None else answer_s
    # aiomqtt raises anew what paho raised; the first of them knows.
    first = error.__context__ if isinstance(error.__context__, OSError) else error
    code = error.rc if isinstance(error, aiomqtt.MqttCodeError) else None
    number = code.value if isinstance(code, ReasonCode) else code
    match first:
        case _ if number in _WRONG_PASSWORD:
            who = f"user name {broker.username!r} or its password" if broker.username else "clients without a password"
            return f"{broker.address} refuses {who}; check username and password, and the broker's list of users"
        case socket.gaierror():
            return f"no computer is called {broker.host!r} ({first.strerror}); check the host's name"
        case ssl.SSLCertVerificationError():
            found = first.verify_message
            return f"{broker.address} shows a certificate that is not trusted ({found}); check the CA file"
        case ssl.SSLError():
            return f"{broker.address} does not speak TLS as asked; check the port, and whether TLS is meant"
        case ConnectionRefusedError():
            return f"nobody listens at {broker.address}; does the broker run, and is the port right?"
        case TimeoutError():
            return f"no answer from {broker.address} within {within_s:g} s; check host, port, firewall and TLS"
        case aiomqtt.MqttError() if "timed out" in str(first):
            return f"no answer from {broker.address} within {within_s:g} s; check host, port, firewall and TLS"
        case _:
            return f"{broker.address}: {str(first) or type(first).__name__}"


class LooseThreads(ThreadPoolExecutor):
    """Runs each call in a daemon thread that nobody waits for: a name server may be silent for a minute."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  # it is the future's
                future.set_exception(error)
            else:
                future.set_result(result)

        Thread(target=run, name="mqtt connects", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=cancel_futures)


async def lost(connected: aiomqtt.Client) -> None:
    """Return never, but raise `aiomqtt.MqttError` when the connection is lost; publishing alone would not notice."""
    async for _ in connected.messages:
        await asyncio.sleep(0)
