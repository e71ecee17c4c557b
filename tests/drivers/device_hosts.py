"""Device hosts as tests start them: processes of their own, on this computer."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM, Signals

import pytest

from drivers.clock import WallClock
from drivers.interfaces import DriverContext

FAR = Path(__file__).parent / "far_drivers.py"
LIMIT_S = 30.0


class Host:
    """A process; `address` is where it listens."""

    def __init__(self, log: Path, *arguments: str, python: str = sys.executable) -> None:
        root = str(Path(__file__).parents[2])
        command = [python, "-m", "drivers.device_host", *arguments]
        self.log = log
        with log.open("a") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | {"PYTHONPATH": root}
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening at "), log.read_text()
        self.address = line.split()[-1]

    def blow(self, number: Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: Signals = SIGTERM) -> int:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        code = self.process.wait(LIMIT_S)
        self.process.stdout.close()
        return code

    def told(self) -> str:
        return self.log.read_text()


Started = Callable[..., Host]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Started]:
    """Start a host of some drivers, each with its options; other arguments follow as they are."""
    hosts: list[Host] = []

    def start(
        *drivers: tuple[str, dict],
        arguments: tuple[str, ...] = (),
        listen: str = "tcp://127.0.0.1:0",
        python: str = sys.executable,
    ) -> Host:
        given = [f"--listen={listen}", f"--folder={tmp_path}", *arguments]
        for named, options in drivers:
            given += [named, f"--options={json.dumps(options)}"]
        hosts.append(Host(tmp_path / "host.log", *given, python=python))
        return hosts[-1]

    yield start
    for started in hosts:
        if started.process.poll() is None:
            started.end(signal.SIGKILL)
        started.process.stdout.close()
    print((tmp_path / "host.log").read_text() if hosts else "")


def context(folder: Path) -> DriverContext:
    return DriverContext(WallClock(), 1, folder, folder)


def said(path: Path, word: str) -> list[float]:
    """Times, by the monotonic clock that all processes here share, at which a plain driver said a word."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [float(line.split()[-1]) for line in lines if line.startswith(word)]
