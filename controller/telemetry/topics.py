"""Where things stand below a broker's root, and what a message holds.

Topics are ``root/site/session/device/quantity``; ``status`` alone lies directly below the session. All messages are
retained, so that who comes late has the newest of each at once, and of QoS 1, so that they come at least once: a
repeated one has the `sequence` of the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from drivers.frames import plain

STATUS = "status"


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The JSON of every message."""

    value: float | str | None
    """None for what is not known."""
    unit: str
    std: float | None
    """One standard deviation."""
    time: str
    """UTC."""
    time_s: float
    """The session's own clock."""
    sequence: int
    """One higher than that of the message before in the same topic; what is missing was dropped."""
    quality: str
    more: dict[str, Any] = {}


class Told(msgspec.Struct, frozen=True):
    """What is to be published, before it has a time and a number."""

    topic: str
    """Below the session."""
    value: float | str | None
    unit: str = ""
    std: float | None = None
    quality: str = "good"
    more: dict[str, Any] = {}
    reading: bool = False
    """A newer one follows soon: the first to be dropped."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it waits for its broker."""

    topic: str
    payload: Payload | bytes
    reading: bool = False

    @property
    def data(self) -> bytes:
        """As it goes over the wire; made only now, in the publisher's thread."""
        return self.payload if isinstance(self.payload, bytes) else encode(self.payload)


_decoder = msgspec.json.Decoder(Payload)


def encode(payload: Payload) -> bytes:
    return msgspec.json.encode(payload, enc_hook=plain)


def decode(data: bytes) -> Payload:
    """Raises `msgspec.MsgspecError` or `UnicodeDecodeError` for anything else."""
    return _decoder.decode(data)


def level(name: str) -> str:
    """A name as one level of a topic."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name) or "_"


def now_utc() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
