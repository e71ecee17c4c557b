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
from drivers.requests import NoAnswer, Question, Refused, RequestSocket, ask

_ANSWER_S = 5.0
_LISTENS_S = 0.2


def find_endpoints(where: str, key: Path | None = None) -> dict[str, str]:
    """Addresses of a session from its folder or from the address of its request socket.

    Parameters
    ----------
    key : file of an operator's or observer's key, for an address on the network

    Raises
    ------
    ConfigError
        When no session runs there, or the key does not open it.
    """
    if where.startswith("tcp://"):
        return _behind_door(where, key)
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


def _behind_door(address: str, key: Path | None) -> dict[str, str]:
    from controller.stream.door import next_port
    from drivers.keys import try_door, with_key

    if key is None:
        raise ConfigError(address, ["a session is reached over the network with a key; give --key operator.key"])
    found = {"requests": with_key(address, key), "events": with_key(next_port(address), key)}
    try_door(found["requests"])
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
        tried.settimeout(_LISTENS_S)
        try:
            tried.connect(endpoint.removeprefix("ipc://"))
        except (TimeoutError, BlockingIOError):
            return True  # it listens, and is too busy or stopped
        except OSError:
            return False
    return True


def send_command(endpoints: dict[str, str], command: str) -> str:
    """Send pause, resume, abort or stop; returns the session's answer."""
    if command == "stop":
        return _stopped(endpoints)
    return str(_asked(endpoints["requests"], Command(command=command)))


def _stopped(endpoints: dict[str, str]) -> str:
    """Guard and session are told at the same time: one must work while the other hangs.

    Raises
    ------
    DeviceError
        Where a fresh reading does not show that the chip is off.
    """
    if "guard" not in endpoints:
        return str(_asked(endpoints["requests"], Command(command="stop")))
    with zmq.Context() as context:
        guard, session = (RequestSocket(context, endpoints[name]) for name in ("guard", "requests"))
        try:
            guard.send(GuardCall(call="stop"))
            session.send(Command(command="stop"))
            chip, chip_is_off = _chip_after(guard)
            said = _last_of(session)
        finally:
            guard.close()
            session.close()
    if not chip_is_off:
        raise DeviceError("chip", f"emergency stop NOT confirmed ({chip}); check the chip by hand. Session: {said}")
    return f"{said}; {chip}"


def _chip_after(guard: RequestSocket) -> tuple[str, bool]:
    """What a fresh reading after an emergency stop shows, in words, and whether the chip is off by it."""
    try:
        reading = list(guard.answers(limit_s=_ANSWER_S))[-1][0]
        temperature_c, power_mw, off = float(reading["temperature_c"]), reading["power_mw"], bool(reading["off"])
    except (NoAnswer, Refused) as error:
        return f"its guard: {error}", False
    except (LookupError, TypeError, ValueError):
        return "its guard switched it off, but no reading has come since", False
    power = "power not told" if power_mw is None else f"{power_mw:.1f} mW"
    return f"the chip reads {temperature_c:.0f} C, {power}", off


def _last_of(session: RequestSocket) -> str:
    """A session that ends by its guard's stop may be gone before it answers, having blanked the beam."""
    try:
        return str(list(session.answers(limit_s=_ANSWER_S))[-1][0])
    except (NoAnswer, Refused) as error:
        return f"emergency stop; the session does not answer ({error})"


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
