"""A frame and its header, and their form on the wire.

The header is enough to analyse the frame alone: geometry, detector, dose, the particle and all heat it has had. The
tilt is what was read back, not what was asked.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.errors import CorruptFrame


class HeatPulse(msgspec.Struct, frozen=True):
    """A stay at one temperature, as measured; its ramp counts as the time there that it was worth."""

    temperature_c: float
    duration_s: float


class FrameHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about one HAADF frame."""

    seq: int
    """Position in the session's stream, from 0 without gaps."""
    session: str
    step: str
    """Plan step, such as ``c03/NC2/tilt``."""
    index: int
    """Position in the step, from 0."""
    particle: str
    core: str
    shell: str
    window: str = "centre"
    time_s: float
    tilt_deg: float
    """Stage tilt read back while the frame was taken."""
    swept_deg: float = 0.0
    """Tilt that the stage went through during the exposure; 0 when it stood."""
    pixel_nm: float
    stage_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Stage x, y, z."""
    image_shift_nm: tuple[float, float] = (0.0, 0.0)
    """Image shift (y, x) applied."""
    defocus_nm: float = 0.0
    temperature_c: float | None = None
    electrons_per_nm2: float | None = None
    gain: float | None = None
    """Digital counts per electron, None when not known."""
    offset: float | None = None
    """Digital counts without beam, None when not known."""
    heat: tuple[HeatPulse, ...] = ()
    """All heat pulses before this frame."""
    simulated: bool = False


@dataclass(frozen=True)
class Frame:
    """One HAADF image (y, x) with its header."""

    header: FrameHeader
    image: NDArray[np.generic]


class SeriesEnd(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The stream's mark that a step, a tilt series or an image, has no further frames."""

    seq: int
    step: str
    particle: str
    frames: int
    """Frames recorded in this step."""
    planned: int
    """Frames the plan asked for."""
    image: bool = False
    """A single image, not a tilt series."""


StreamItem = Frame | SeriesEnd


class _Wire(msgspec.Struct, frozen=True, tag=True):
    header: FrameHeader
    shape: tuple[int, int]
    dtype: str
    crc32: int


_decoder = msgspec.msgpack.Decoder(_Wire | SeriesEnd)


def plain(value: object) -> object:
    """Numpy scalars, which drivers like to give, as numbers that msgspec encodes: its `enc_hook`."""
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} cannot be encoded")


def seq_of(item: StreamItem) -> int:
    return item.header.seq if isinstance(item, Frame) else item.seq


def pack(item: StreamItem) -> list[bytes]:
    """Two parts on the wire: a msgpack header and the pixels (empty for a mark)."""
    if isinstance(item, SeriesEnd):
        return [msgspec.msgpack.encode(item, enc_hook=plain), b""]
    image = np.ascontiguousarray(item.image)
    pixels = image.tobytes()
    rows, columns = image.shape
    wire = _Wire(item.header, (rows, columns), image.dtype.str, zlib.crc32(pixels))
    return [msgspec.msgpack.encode(wire, enc_hook=plain), pixels]


def unpack(parts: list[bytes]) -> StreamItem:
    """Rebuild an item; raises `CorruptFrame` when parts are missing, cut or altered."""
    if len(parts) != 2:
        raise CorruptFrame(f"a frame has 2 parts, {len(parts)} arrived")
    try:
        wire = _decoder.decode(parts[0])
    except msgspec.DecodeError as error:
        raise CorruptFrame(f"the frame's header does not decode: {error}") from error
    if isinstance(wire, SeriesEnd):
        return wire
    try:
        dtype = np.dtype(wire.dtype)
    except TypeError as error:
        raise CorruptFrame(f"unknown pixel type {wire.dtype!r}") from error
    if dtype.kind not in "uif" or len(parts[1]) != dtype.itemsize * wire.shape[0] * wire.shape[1]:
        raise CorruptFrame(f"{len(parts[1])} bytes do not hold {wire.shape} pixels of {wire.dtype}")
    if zlib.crc32(parts[1]) != wire.crc32:
        raise CorruptFrame(f"checksum of frame {wire.header.seq} differs: its pixels were altered on the way")
    return Frame(wire.header, np.frombuffer(parts[1], dtype).reshape(wire.shape))
