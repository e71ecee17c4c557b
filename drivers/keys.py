"""Keys by which a session is reached over the network: CurveZMQ, one file per role, readable by its owner only.

An address in this program may carry the file of the key that opens it: ``tcp://host:5570?key=/home/me/operator.key``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import zmq

from drivers.errors import ConfigError
from drivers.toml_file import Strict, load_toml

HANDSHAKE_S = 3.0
_MARK = "?key="


class Key(Strict):
    """What a key file holds."""

    role: Literal["session", "operator", "observer"]
    """Operators may pause, resume, abort and stop; observers watch."""
    public: str
    secret: str
    session: str
    """Public key of the session that it opens."""
    operators: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    """Public keys that a session lets in."""


def make_keys(folder: Path) -> list[Path]:
    """Write ``session.key``, ``operator.key`` and ``observer.key``; raises `ConfigError` rather than replace one."""
    paths = {role: folder / f"{role}.key" for role in ("session", "operator", "observer")}
    there = [str(path) for path in paths.values() if path.exists()]
    if there:
        raise ConfigError(str(folder), [f"{path} is there already; name another folder" for path in there])
    folder.mkdir(parents=True, exist_ok=True)
    pairs = {role: tuple(half.decode() for half in zmq.curve_keypair()) for role in paths}
    for role, path in paths.items():
        public, secret = pairs[role]
        lines = [
            f'role = "{role}"',
            f"public = '{public}'",
            f"secret = '{secret}'",
            f"session = '{pairs['session'][0]}'",
        ]
        if role == "session":
            lines += [f"{other}s = ['{pairs[other][0]}']" for other in ("operator", "observer")]
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
    return list(paths.values())


def read_key(path: Path) -> Key:
    """Raises `ConfigError` for what is no key, and for one that others can read."""
    key = load_toml(path, Key)
    if path.stat().st_mode & 0o077:
        raise ConfigError(str(path), [f"others can read this key; run: chmod 600 {path}, or make new ones"])
    wrong = [name for name in ("public", "secret", "session") if len(getattr(key, name)) != 40]
    if wrong:
        raise ConfigError(str(path), [f"{name} is not a key of 40 characters" for name in wrong])
    return key


def with_key(address: str, path: Path) -> str:
    """An address that says by what key it is opened."""
    return f"{address}{_MARK}{path}"


def connect(socket: zmq.Socket[Any], address: str) -> None:
    """Connect to an address, with its key where it carries one."""
    endpoint, mark, path = address.partition(_MARK)
    if mark:
        key = read_key(Path(path))
        socket.curve_serverkey = key.session.encode()
        socket.curve_publickey, socket.curve_secretkey = key.public.encode(), key.secret.encode()
    socket.connect(endpoint)


def try_door(address: str) -> None:
    """Whether the key opens the address; raises `ConfigError` within `HANDSHAKE_S` where it does not."""
    endpoint = address.partition(_MARK)[0]
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        with socket.get_monitor_socket() as monitor:
            connect(socket, address)
            try:
                found = _handshake(monitor)
            finally:
                socket.disable_monitor()
    if found is not None:
        raise ConfigError(endpoint, [found])


def _handshake(monitor: zmq.Socket[Any]) -> str | None:
    """What is wrong, or nothing."""
    from zmq.utils.monitor import recv_monitor_message

    reached = False
    while monitor.poll(int(1000 * HANDSHAKE_S)):
        event = recv_monitor_message(monitor)["event"]
        reached |= event == zmq.EVENT_CONNECTED
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            return None
        if event == zmq.EVENT_CONNECT_RETRIED and not reached:
            return "nobody answers there; does the session run, with --listen, and is the address right?"
        if reached and event != zmq.EVENT_CONNECTED:
            return "this key does not open the session; use one that was made with the session's own"
    return f"no answer within {HANDSHAKE_S:g} s; does the session run, with --listen, and is the address right?"
