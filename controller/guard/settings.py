"""What a guard and its deputy are told when they are started, by the first line of their standard input.

There nobody else can read it, as everybody could a command line: a driver's options may hold a password.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, TypeVar

import msgspec

SOCKETS_PREFIX = "alloyscope-guard-"
HOT, COOL, PEACE = b"h", b"c", b"p"
"""What a guard tells its deputy while its event loop lives, and at its end when the chip is safe."""
S = TypeVar("S", bound=msgspec.Struct)


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Of a guard process."""

    endpoint: str = ""
    """Where it is to listen."""
    folder: str
    """The session's."""
    origin: str
    """Folder that relative paths in the chip's options start from."""
    backend: str
    options: dict[str, Any]
    limits: dict[str, Any]
    seed: int
    speed: float
    epoch: float
    """Of the controller's clock."""
    alive_fd: int = -1
    """Pipe into which the guard writes, and from which its deputy reads, that its event loop lives."""

    def remove_sockets(self) -> None:
        """The folder of the endpoint, whose maker may have died; never another folder."""
        folder = Path(self.endpoint.removeprefix("ipc://")).parent
        if folder.name.startswith(SOCKETS_PREFIX):
            shutil.rmtree(folder, ignore_errors=True)


class DeputySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Of its deputy."""

    guard: GuardSettings
    guard_pid: int
    microscope: str
    """Backend, whose beam is blanked when the controller dies; empty where there is no real beam."""
    microscope_options: dict[str, Any]


def as_line(settings: msgspec.Struct) -> bytes:
    return msgspec.json.encode(settings) + b"\n"


def first_line(kind: type[S]) -> S:
    """Settings from standard input, of which no more than their line is taken."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return msgspec.json.decode(bytes(line), type=kind)
