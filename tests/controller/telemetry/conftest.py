"""A real broker, on a port of its own, that can be killed and started again."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from controller.plan.telemetry_section import TelemetrySection
from controller.telemetry.telemetry import Telemetry
from drivers.broker import Broker
from drivers.clock import WallClock

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Mosquitto:
    """With persistence; further lines are added to its configuration."""

    def __init__(self, folder: Path, *more: str) -> None:
        folder.mkdir()
        self.port = free_port()
        self._config, self._log = folder / "mosquitto.conf", folder / "mosquitto.log"
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"user {pwd.getpwuid(os.getuid()).pw_name}",
            "persistence true",
            f"persistence_location {folder}/",
            "max_inflight_messages 0",
            "max_queued_messages 0",
            *(() if "allow_anonymous false" in more else ("allow_anonymous true",)),
            *more,
        ]
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        assert MOSQUITTO is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", self._config], stdout=log, stderr=log)
        until = time.monotonic() + 10.0
        while time.monotonic() < until:
            assert self._process.poll() is None, self._log.read_text()
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                return
            time.sleep(0.02)
        pytest.fail(f"mosquitto does not listen: {self._log.read_text()}")

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


@pytest.fixture
def new_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Makes brokers that are not started yet; further lines of their configuration are its arguments."""
    if MOSQUITTO is None:
        pytest.skip("no mosquitto here: apt install mosquitto")
    made: list[Mosquitto] = []

    def new(*more: str) -> Mosquitto:
        made.append(Mosquitto(tmp_path / f"broker-{len(made)}", *more))
        return made[-1]

    yield new
    for broker in made:
        broker.kill()


@pytest.fixture
def mosquitto(new_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A broker that runs and lets everybody in."""
    broker = new_mosquitto()
    broker.start()
    return broker


class Telling:
    """A `Telemetry` on real time, and what it wrote into the log of its session."""

    def __init__(self, broker: Broker, **options: Any) -> None:
        self.said: list[tuple[str, str]] = []
        section = TelemetrySection(host=broker.host, port=broker.port, site="lab", **options)
        self.telemetry = Telemetry(
            section, broker, "s1", WallClock(), lambda level, text: self.said.append((level, text))
        )
        self.hear, self.end = self.telemetry.hear, self.telemetry.end

    def warnings(self) -> list[str]:
        return [text for level, text in self.said if level == "warning"]

    def wait_until(self, holds: Callable[[], bool], limit_s: float = 10.0) -> None:
        until = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < until, f"not within {limit_s:g} s; said: {self.said}"
            time.sleep(0.01)

    def wait_for_words(self, words: str, times: int = 1) -> None:
        self.wait_until(lambda: sum(words in text for _, text in self.said) >= times)


@pytest.fixture
def telling() -> type[Telling]:
    return Telling


def retained(port: int, under: str = "#", **options: Any) -> dict[str, Any]:
    """What a broker gives to somebody who comes now, by topic."""

    async def main() -> dict[str, Any]:
        found = {}
        async with aiomqtt.Client("127.0.0.1", port, **options) as client:
            await client.subscribe([(under, 1), ("end of retained", 1)])
            await client.publish("end of retained", b"", qos=1)
            async for message in client.messages:
                if str(message.topic) == "end of retained":
                    return found
                if message.retain:
                    found[str(message.topic)] = json.loads(message.payload)
        raise AssertionError

    return asyncio.run(main())
