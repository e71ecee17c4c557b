"""What an analysis may ask of the session whose stream it hears."""

from __future__ import annotations

import msgspec

from drivers.requests import Question


class Items(Question, frozen=True, kw_only=True, tag="items"):
    """Send these again; answered by some of them, each in the parts of `drivers.frames.pack`."""

    first: int
    until: int
    """The first that is not wanted."""


class Head(Question, frozen=True, kw_only=True, tag="head"):
    """How long is the stream? Answered by a `StreamHead`."""


class TakeResult(Question, frozen=True, kw_only=True, tag="result"):
    """A result, encoded in the only part; never answered for."""

    token: str = ""
    """Which only the session's own analysis has been told."""


class StreamHead(msgspec.Struct, frozen=True):
    next_seq: int
    closed: bool
    """Nothing more will come."""
