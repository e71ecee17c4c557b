"""Sends what waits in the outbox to the broker, in a thread with an event loop of its own, for as long as it takes.

Network time is real time, whatever clock the session runs on, and a session never waits for it.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

import aiomqtt

from controller.telemetry.outbox import Outbox
from controller.telemetry.topics import Outgoing
from drivers import broker_connection as connection
from drivers.broker import Broker
from drivers.errors import first_of

DRAIN_S = 10.0
"""At the end, for what still waits."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 30.0

Birth = Callable[[], list[Outgoing]]
Say = Callable[[str, str], None]
"""Level and text, for the session's log; called in the publisher's thread."""


class Publisher:
    """Keeps a connection, and everything retained at the broker as new as it can be."""

    def __init__(self, broker: Broker, outbox: Outbox, birth: Birth, will: Outgoing, where: str, say: Say) -> None:
        """`birth` : makes what is published first at every connection; `where` : by which a session is watched"""
        self._broker, self._outbox, self._birth, self._where, self._say = broker, outbox, birth, where, say
        self._will = aiomqtt.Will(will.topic, will.data, qos=1, retain=True)
        self._farewell: Outgoing | None = None
        self._unacknowledged: dict[int, Outgoing] = {}
        self._sent: dict[str, Outgoing] = {}
        """The newest that was acknowledged, by topic: a broker that was killed may have forgotten it."""
        self._idle = False
        self._deadline = math.inf
        self._pause_s = _FIRST_PAUSE_S
        self._away_since: float | None = None
        self._was_there = False
        self._said_farewell = False
        self._loop = asyncio.SelectorEventLoop()  # on Windows, too: paho's sockets need it
        self._news, self._over = asyncio.Event(), asyncio.Event()
        self._thread = Thread(target=self._live, name="telemetry", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Something was put into the outbox."""
        if self._idle:
            self._idle = False
            self._call(self._news.set)

    def finish(self, farewell: Outgoing) -> bool:
        """Send what waits and the farewell, for at most some seconds; tells whether the broker has it all."""
        self._farewell = farewell
        self._deadline = time.monotonic() + DRAIN_S
        self._call(self._over.set)
        self._call(self._news.set)
        self._thread.join(DRAIN_S + 2 * connection.ANSWER_S + 1.0)
        return self._said_farewell and not len(self._outbox)

    def _call(self, action: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the thread has ended
            self._loop.call_soon_threadsafe(action)

    def _live(self) -> None:
        self._loop.set_default_executor(connection.LooseThreads())
        self._loop.set_exception_handler(connection.pass_over)
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._keep_telling())

    async def _keep_telling(self) -> None:
        while True:
            try:
                async with connection.client(self._broker, self._will) as client:
                    await self._talk(client)
                return
            except* Exception as group:  # noqa: BLE001  # whatever paho raises, it never ends a session
                self._say_lost(first_of(group))
            if self._over.is_set():
                return
            await self._pause()

    async def _pause(self) -> None:
        """Longer each time. One more try is made at the end, without waiting for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s * random.uniform(0.5, 1.0)):
                await self._over.wait()
        self._pause_s = min(2.0 * self._pause_s, _LONGEST_PAUSE_S)

    async def _talk(self, client: aiomqtt.Client) -> None:
        """Until all is said, or time is up."""
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = [
                    tasks.create_task(connection.lost(client), name="telemetry's connection"),
                    tasks.create_task(self._limit(), name="telemetry's time limit"),
                ]
                for message in (*self._birth(), *self._sent.values()):
                    await _publish(client, message)
                self._pause_s = _FIRST_PAUSE_S
                self._say_back()
                await self._send_all(client, tasks)
                if self._farewell is not None:
                    await _publish(client, self._farewell)
                    self._said_farewell = True
                for task in watching:
                    task.cancel()
        finally:
            self._outbox.put_back(sorted(self._unacknowledged.items()))
            self._unacknowledged.clear()

    async def _send_all(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        """In a window that slides: a broker that waits for our acknowledgements is never waited for in turn."""
        window = asyncio.Semaphore(connection.IN_FLIGHT)

        async def send(number: int, message: Outgoing) -> None:
            await _publish(client, message)
            del self._unacknowledged[number]
            self._sent[message.topic] = message
            window.release()

        while not (self._over.is_set() and (not len(self._outbox) or time.monotonic() > self._deadline)):
            taken = self._outbox.take(connection.IN_FLIGHT, readings_last=self._over.is_set())
            self._unacknowledged |= dict(taken)
            for number, message in taken:
                await window.acquire()
                if time.monotonic() > self._deadline:  # a slow broker gets no more, but the farewell
                    window.release()
                    break
                tasks.create_task(send(number, message))
            if not taken:
                await self._wait_for_news()
        for _ in range(connection.IN_FLIGHT):
            await window.acquire()

    async def _limit(self) -> None:
        await self._over.wait()
        await asyncio.sleep(DRAIN_S + connection.ANSWER_S)
        raise TimeoutError

    async def _wait_for_news(self) -> None:
        self._news.clear()
        self._idle = True
        if not len(self._outbox) and not self._over.is_set():
            await self._news.wait()
        self._idle = False

    def _say_lost(self, error: BaseException) -> None:
        """Once, however long it lasts."""
        if self._away_since is not None or self._over.is_set():
            return
        self._away_since = time.monotonic()
        reason = connection.why(error, self._broker)
        self._say("warning", f"telemetry: {reason}; the session goes on, what it tells is kept and sent later")

    def _say_back(self) -> None:
        if self._away_since is not None:
            away_s, self._away_since = time.monotonic() - self._away_since, None
            lost = f"{self._outbox.lost} were dropped" if self._outbox.lost else "nothing was lost"
            self._say("info", f"telemetry: published to {self._where} again after {away_s:.0f} s; {lost}")
        elif not self._was_there:
            self._say("info", f"telemetry: published to {self._where}")
        self._was_there = True


async def _publish(client: aiomqtt.Client, message: Outgoing) -> None:
    """Until it is acknowledged; that a broker does not answer is noticed by `connection.lost`."""
    await client.publish(message.topic, message.data, qos=1, retain=True, timeout=math.inf)
