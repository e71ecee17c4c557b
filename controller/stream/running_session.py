"""Reach a session that runs in another process: find it, command it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import msgspec
import zmq

from controller.stream.protocol import Command, Endpoints, GuardCall
from drivers.errors import ConfigError, DeviceError, DeviceTimeout
from drivers.recorded.folder import SessionFolder
from drivers.requests import NoAnswer, Question, Refused, ask

_ANSWER_S = 5.0


def find_endpoints(where: str) -> dict[str, str]:
    """Addresses of a session from its folder or from the address of its request socket.

    Raises
    ------
    ConfigError
        When no session runs there.
    """
    if "://" in where:
        return msgspec.convert(_asked(where, Endpoints()), dict[str, str])
    path = SessionFolder(Path(where)).endpoints
    if not path.is_file():
        raise ConfigError(where, ["no session is running in this folder; give the folder of a running one"])
    found = read_endpoints(path)
    if not any(is_open(endpoint) for endpoint in found.values()):
        words = "the session in this folder was killed: nobody listens any more; alloyscope resume goes on with it"
        raise ConfigError(where, [words])
    return found


def read_endpoints(path: Path) -> dict[str, str]:
    """Addresses by name; none from a file that is cut or holds something else."""
    try:
        told = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return {k: v for k, v in told.items() if isinstance(v, str)} if isinstance(told, dict) else {}


def is_open(endpoint: str) -> bool:
    """Whether a process listens at an ipc address; of another kind of address it is believed."""
    if not endpoint.startswith("ipc://"):
        return True
    with socket.socket(socket.AF_UNIX) as tried:
        try:
            tried.connect(endpoint.removeprefix("ipc://"))
        except OSError:
            return False
    return True


def send_command(endpoints: dict[str, str], command: str) -> str:
    """Send pause, resume, abort or stop; returns the session's answer.

    An emergency stop goes to the guard first: it must work while the controller hangs. The session then ends by
    itself, blanking the beam, and may be gone before it answers.
    """
    if command == "stop" and "guard" in endpoints:
        failure = _guard_stopped(endpoints["guard"])
        try:
            return str(_asked(endpoints["requests"], Command(command="stop")))
        except DeviceError as silence:
            if failure is not None:
                raise DeviceError("chip", f"emergency stop NOT confirmed ({failure}); check the chip by hand") from None
            return f"emergency stop: the guard has switched the chip off; the session does not answer ({silence})"
    return str(_asked(endpoints["requests"], Command(command=command)))


def _guard_stopped(endpoint: str) -> str | None:
    """Ask the guard to switch the chip off; None when it says that it has, else why not."""
    try:
        _asked(endpoint, GuardCall(call="stop"))
    except (DeviceTimeout, DeviceError) as error:
        return str(error)
    return None


def _asked(endpoint: str, question: Question) -> object:
    try:
        return ask(endpoint, question, limit_s=_ANSWER_S)
    except zmq.ZMQError as error:
        raise ConfigError(endpoint, [f"is not an address ({error}); give a session folder or ipc://..."]) from error
    except NoAnswer:
        raise DeviceTimeout(
            "session", f"asked at {endpoint}, no answer within {_ANSWER_S:g} s; does it still run?"
        ) from None
    except Refused as error:
        raise DeviceError("session", str(error)) from error
