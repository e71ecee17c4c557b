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
    """A result, encoded in the only part; answered for who asks to be told, since a network may lose it."""

    token: str = ""
    """Which only the session's own analysis has been told."""
    after: int = 0
    """Of a law of all particles: the number that its `Together` was answered by."""
    answered: bool = False


class OwnParticles(Question, frozen=True, kw_only=True, tag="own-particles"):
    """How long is the stream, and which particles are mine? Answered by a `StreamShare`.

    Asked where several analyses share the particles of a session.
    """

    token: str = ""
    worker: str


class Alive(Question, frozen=True, kw_only=True, tag="alive"):
    """An analysis on another computer works on; never answered."""

    token: str = ""
    worker: str


class Together(Question, frozen=True, kw_only=True, tag="together"):
    """How far a particle has diffused, encoded in the only part; answered by the number of what has been told so far,
    and by the newest of every particle, one a part."""

    token: str = ""
    particle: str
    pulses: int
    """Which it knows of; what knows of fewer than before comes from an analysis that began anew."""


class HowToAnalyse(Question, frozen=True, kw_only=True, tag="how-to-analyse"):
    """May I take part? Answered by the session's `AnalysisSettings` as JSON, or refused in words."""

    worker: str
    version: str
    """Of the program; two versions do not tell the same numbers."""


class TakeVolume(Question, frozen=True, kw_only=True, tag="volume"):
    """The reconstruction of a recording, float32 (z, y, x) in the only part; answered as `TakeResult` is."""

    token: str = ""
    answered: bool = False
    step: str
    voxel_nm: float
    shape: tuple[int, int, int]


OfAnalysis = Items | Head | TakeResult | OwnParticles | Alive | Together | HowToAnalyse | TakeVolume


class StreamHead(msgspec.Struct, frozen=True):
    next_seq: int
    closed: bool
    """Nothing more will come."""


class StreamShare(msgspec.Struct, frozen=True):
    next_seq: int
    closed: bool
    """Nothing more will come, and all that came has been analysed, whoever did it."""
    particles: tuple[str, ...]
