"""Addresses with keys, by which a session is reached over the network: CurveZMQ.

An address in this program may carry the file of the key that opens it: ``tcp://host:5570?key=/home/me/operator.key``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import zmq

from drivers.errors import ConfigError

HANDSHAKE_S = 3.0
_MARK = "?key="


def with_key(address: str, path: Path) -> str:
    """An address that says by what key it is opened."""
    return f"{address}{_MARK}{path}"


def connect(socket: zmq.Socket[Any], address: str) -> None:
    """Connect to an address, with its key where it carries one."""
    endpoint, mark, path = address.partition(_MARK)
    if mark:
        from drivers.key_file import read_key  # a screen starts in half the time without what reads TOML

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
