"""Reach a session that runs in another process: find it, watch it, command it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from drivers.errors import ConfigError, DeviceError, DeviceTimeout

ENDPOINTS_FILE = "endpoints.json"
_ANSWER_MS = 5000
_START_LIMIT_S = 60.0


def find_endpoints(where: str) -> dict[str, str]:
    """Addresses of a session from its folder or from the address of its desk.

    Raises
    ------
    ConfigError
        When no session runs there.
    """
    if "://" in where:
        return ask_endpoints(where)
    path = Path(where) / ENDPOINTS_FILE
    if not path.is_file():
        raise ConfigError(where, ["no session is running in this folder; give the folder of a running one"])
    found: dict[str, str] = {k: v for k, v in json.loads(path.read_text()).items() if isinstance(v, str)}
    return found


def ask_endpoints(desk: str) -> dict[str, str]:
    answer = _ask(desk, {"ask": "endpoints"})
    found: dict[str, str] = json.loads(answer)
    return found


def send_command(endpoints: dict[str, str], command: str) -> str:
    """Send pause, resume, abort or stop; returns the session's answer.

    An emergency stop goes to the guard first: it must work while the controller hangs. The session then ends by
    itself, blanking the beam, and may be gone before it answers.
    """
    if command == "stop" and "guard" in endpoints:
        guard = _guard_stopped(endpoints["guard"])
        try:
            return _ask(endpoints["desk"], {"ask": "command", "command": "stop"}).decode()
        except DeviceTimeout:
            if guard is not None:
                raise DeviceError("chip", f"emergency stop NOT confirmed ({guard}); check the chip by hand") from None
            return "emergency stop: the guard has switched the chip off; the session is ending"
    return _ask(endpoints["desk"], {"ask": "command", "command": command}).decode()


def _guard_stopped(endpoint: str) -> str | None:
    """Ask the guard to switch the chip off; None when it says that it has, else why not."""
    try:
        answer = json.loads(_ask(endpoint, {"id": 0, "call": "stop"}))
    except DeviceTimeout as error:
        return str(error)
    return str(answer["error"][1]) if "error" in answer else None


def run_behind_screen(arguments: list[str], folder: Path) -> None:
    """Start the session in a process of its own and watch it. Leaving the screen leaves the session running."""
    from controller.monitor.app import MonitorApp

    folder.mkdir(parents=True, exist_ok=True)
    log_path = folder.with_name(folder.name + ".log")
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_LIMIT_S
    while not (folder / ENDPOINTS_FILE).is_file():
        if process.poll() is not None or time.monotonic() > deadline:
            print(log_path.read_text(errors="replace"), end="", file=sys.stderr)
            sys.exit(process.poll() or 1)
        time.sleep(0.05)
    MonitorApp(find_endpoints(str(folder))).run()
    if process.poll() is None:
        print(f"the session goes on in {folder}; watch it with: alloyscope monitor {folder}")
        return
    print(log_path.read_text(errors="replace"), end="")
    sys.exit(process.returncode)


def _ask(desk: str, question: dict[str, Any]) -> bytes:
    import zmq

    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        try:
            socket.connect(desk)
        except zmq.ZMQError as error:
            raise ConfigError(desk, [f"is not an address ({error}); give a session folder or ipc://..."]) from error
        socket.send(json.dumps(question).encode())
        if not socket.poll(_ANSWER_MS):
            raise DeviceTimeout(
                "session", f"asked at {desk}, no answer within {_ANSWER_MS / 1000:g} s; does it still run?"
            )
        parts = socket.recv_multipart()
        if parts[0] == b"error":
            raise DeviceError("session", parts[-1].decode(errors="replace"))
        return parts[-1]
