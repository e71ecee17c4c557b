"""A frame and its header, and their form on the wire.

The header is enough to analyse the frame alone: geometry, detector, dose, the particle and all heat it has had. The
tilt is what was read back, not what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from isal import isal_zlib  # the CRC-32 of zlib, four times as fast
from numpy.typing import NDArray

from drivers.errors import CorruptFrame
from drivers.frame_slab import FrameSlab, SlabPlace, SlabReader

Buffer = bytes | memoryview
"""A part on the wire."""


class HeatPulse(msgspec.Struct, frozen=True):
    """A stay at one temperature, as measured; its ramp counts as the time there that it was worth."""

    temperature_c: float
    duration_s: float
    std_s: float = 0.0
    """Of the duration, as far as the heater's readings tell; 0 where they do not."""


class SpectrumHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What turns a frame's photons into spectra, and those into a composition."""

    channels: int
    channel_ev: float
    offset_ev: float
    fwhm_mn_ev: float
    """Full width at half maximum of a line at Mn K-alpha."""
    beam_kev: float
    frames: int
    """Of the map, at most."""
    live_s: float | None = None
    """Of the detector; None when not known."""
    lines: tuple[str, ...]
    """Asked for, such as ``Ag_La``."""
    k: tuple[str, ...] = ()
    """Cliff-Lorimer factors, such as ``Ag_La/Au_Ma=1.44:0.01``."""
    k_basis: Literal["atomic", "weight"] = "atomic"


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
    spectrum: SpectrumHeader | None = None
    """Of a frame of an EDX map."""
    detector: str = "HAADF"
    dwell_s: float | None = None
    """Per pixel; None, as the beam's energy and current, where it is not known."""
    beam_kev: float | None = None
    current_pa: float | None = None
    rotation_deg: float = 0.0
    """Of the scan against the tilt axis, counterclockwise as seen on the image."""
    simulated: bool = False


MOST_CELLS = 2**32
Photons = NDArray[np.uint32]
"""X-ray photons, each by its pixel's number (row by row) times the number of channels, plus its channel."""


@dataclass(frozen=True)
class Frame:
    """One HAADF image (y, x) with its header; of an EDX map also the photons counted with it."""

    header: FrameHeader
    image: NDArray[np.generic]
    photons: Photons | None = None


Recorded = Literal["tilt-series", "image", "edx-map"]


class SeriesEnd(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The stream's mark that a step, a tilt series or an image, has no further frames."""

    seq: int
    step: str
    particle: str
    frames: int
    """Frames recorded in this step."""
    planned: int
    """Frames the plan asked for; of an EDX map at most."""
    what: Recorded = "tilt-series"


StreamItem = Frame | SeriesEnd


class _Wire(msgspec.Struct, frozen=True, tag=True):
    header: FrameHeader
    shape: tuple[int, int]
    dtype: str
    crc32: int
    """Of the pixels, then the photons."""
    place: SlabPlace | None = None
    """Of the pixels, where they are not the second part."""


_decoder = msgspec.msgpack.Decoder(_Wire | SeriesEnd)


def plain(value: object) -> object:
    """Numpy scalars, which drivers like to give, as numbers that msgspec encodes: its `enc_hook`."""
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} cannot be encoded")


def seq_of(item: StreamItem) -> int:
    return item.header.seq if isinstance(item, Frame) else item.seq


def pack(item: StreamItem, slab: FrameSlab | None = None) -> list[Buffer]:
    """Three parts on the wire: a msgpack header, the pixels and the photons (each empty where there are none).

    Pixels are the frame's own memory, not a copy of it: who sends them without one must leave the frame as it is. With
    a `slab` they are copied there, where they fit, and only their place is told.
    """
    if isinstance(item, SeriesEnd):
        return [msgspec.msgpack.encode(item, enc_hook=plain), b"", b""]
    image = np.ascontiguousarray(item.image)
    pixels = image.reshape(-1).view(np.uint8).data
    photons = b"" if item.photons is None else np.asarray(item.photons, "<u4").tobytes()
    rows, columns = image.shape
    crc32 = isal_zlib.crc32(photons, isal_zlib.crc32(pixels))
    place = None if slab is None else slab.put(pixels)
    wire = _Wire(item.header, (rows, columns), image.dtype.str, crc32, place)
    return [msgspec.msgpack.encode(wire, enc_hook=plain), b"" if place else pixels, photons]


def unpack(parts: Sequence[Buffer], slabs: SlabReader | None = None) -> StreamItem:
    """Rebuild an item in the memory of its parts; raises `CorruptFrame` when they are missing, cut or altered.

    Pixels that are in shared memory are read by `slabs`.
    """
    if len(parts) != 3:
        raise CorruptFrame(f"a frame has 3 parts, {len(parts)} arrived")
    head, sent, counted = parts
    try:
        wire = _decoder.decode(head)
    except msgspec.DecodeError as error:
        raise CorruptFrame(f"the frame's header does not decode: {error}") from error
    if isinstance(wire, SeriesEnd):
        return wire
    if wire.place is not None and slabs is None:
        raise CorruptFrame("the frame is in memory of another process")
    pixels = sent if wire.place is None or slabs is None else slabs.take(wire.place).data
    try:
        dtype = np.dtype(wire.dtype)
    except TypeError as error:
        raise CorruptFrame(f"unknown pixel type {wire.dtype!r}") from error
    if dtype.kind not in "uif" or len(pixels) != dtype.itemsize * wire.shape[0] * wire.shape[1]:
        raise CorruptFrame(f"{len(pixels)} bytes do not hold {wire.shape} pixels of {wire.dtype}")
    if isal_zlib.crc32(counted, isal_zlib.crc32(pixels)) != wire.crc32:
        raise CorruptFrame(f"checksum of frame {wire.header.seq} differs: it was altered on the way")
    image = np.frombuffer(pixels, dtype).reshape(wire.shape)
    if not image.flags.aligned:  # as it may arrive; compiled loops want it otherwise
        image = image.copy()
    spectrum = wire.header.spectrum
    if spectrum is None:
        return Frame(wire.header, image)
    if len(counted) % 4:
        raise CorruptFrame(f"frame {wire.header.seq} is cut within its photons")
    photons = np.frombuffer(counted, "<u4")
    problem = problem_of(spectrum, image.size, photons)
    if problem:
        raise CorruptFrame(f"frame {wire.header.seq} {problem}")
    return Frame(wire.header, image, photons)


def problem_of(spectrum: SpectrumHeader, pixels: int, photons: Photons) -> str:
    """Why photons cannot be spectra of so many pixels, in words; empty when they can."""
    if not (spectrum.channels > 0 and spectrum.channel_ev > 0.0 and spectrum.beam_kev > 0.0):
        return (
            f"has {spectrum.channels} channels of {spectrum.channel_ev:g} eV at a beam energy of "
            f"{spectrum.beam_kev:g} keV; all must be above 0"
        )
    if pixels * spectrum.channels > MOST_CELLS:
        return f"has {pixels} pixels of {spectrum.channels} channels, more than 32 bits can number; bin its channels"
    if photons.size and int(photons.max()) >= pixels * spectrum.channels:
        return "has photons beyond its pixels and channels"
    return ""
