"""What the analysis says: values with one standard deviation, a unit in the name, and a quality in words.

Each kind of result describes itself in its own file; this is the list of kinds, and their form on the wire.
"""

from __future__ import annotations

import msgspec

from analysis.results.arrhenius import Arrhenius, WindowOffset
from analysis.results.diffusivity import Diffusivity, DiffusivityOfComposition, DiffusivityResult, IntervalDiffusivity
from analysis.results.edx_map import EdxResult
from analysis.results.estimate import Estimate, pretty
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
    "StateResult",
    "WindowOffset",
    "decode",
    "encode",
    "pretty",
]
