"""What the analysis says: values with one standard deviation, a unit in the name, and a quality in words.

Each kind of result describes itself in its own file; this is the list of kinds, and their form on the wire.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from analysis.results.arrhenius import Arrhenius, WindowOffset
from analysis.results.diffusivity import (
    Diffusivity,
    DiffusivityOfComposition,
    DiffusivityResult,
    IntervalDiffusivity,
    Share,
)
from analysis.results.edx_map import EdxResult
from analysis.results.estimate import Estimate, ResultValue, pretty
from analysis.results.image import ImageResult, Onset
from analysis.results.on_screen import Outlined, Preview, Provisional
from analysis.results.result import Result
from analysis.results.state import StateResult
from drivers.frames import plain

AnyResult = StateResult | ImageResult | EdxResult | DiffusivityResult | Arrhenius | Preview | Provisional | Outlined
"""What a pipeline gives."""

_decoder = msgspec.msgpack.Decoder(AnyResult)


def encode(result: Result) -> bytes:
    return msgspec.msgpack.encode(result, enc_hook=plain)


def decode(data: bytes) -> AnyResult:
    """A result from the wire; raises `msgspec.DecodeError` for anything else."""
    result: AnyResult = _decoder.decode(data)
    return result


def to_line(result: Result) -> bytes:
    """As a line of ``results.jsonl``; JSON has no infinity, so that what is only bounded is written as a word."""
    return msgspec.json.encode(_in_words(msgspec.to_builtins(result, enc_hook=plain))) + b"\n"


def from_line(line: bytes) -> AnyResult:
    """Raises `msgspec.MsgspecError` for anything else."""
    result: AnyResult = msgspec.json.decode(line, type=AnyResult, strict=False)
    return result


def _in_words(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key: _in_words(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_in_words(inner) for inner in value]
        case _:
            return value


__all__ = [
    "AnyResult",
    "Arrhenius",
    "Diffusivity",
    "DiffusivityOfComposition",
    "DiffusivityResult",
    "EdxResult",
    "Estimate",
    "ImageResult",
    "IntervalDiffusivity",
    "Onset",
    "Outlined",
    "Preview",
    "Provisional",
    "Result",
    "ResultValue",
    "Share",
    "StateResult",
    "WindowOffset",
    "decode",
    "encode",
    "from_line",
    "pretty",
    "to_line",
]
