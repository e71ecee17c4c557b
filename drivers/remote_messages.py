"""What a device host tells (`drivers.device_host`), as it is taken from the wire."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.interfaces import StagePosition


class FarTrouble(msgspec.Struct, frozen=True):
    kind: str
    words: str


class FarAnswer(msgspec.Struct, frozen=True):
    id: int
    working: bool = False
    """No answer yet, but a sign of life."""
    last: bool = True
    value: Any = None
    error: FarTrouble | None = None


class FarBeat(msgspec.Struct, frozen=True):
    yours: bool
    host: str
    time_s: float


class FarDevice(msgspec.Struct, frozen=True):
    """What a host tells of a device when it is connected."""

    version: int
    host: str
    """Of this start of it."""
    token: str
    line_s: float
    simulated: bool
    abilities: dict[str, Any]
    tilt_range_deg: tuple[float, float] | None = None


class FarReading(msgspec.Struct, frozen=True):
    time_s: float
    temperature_c: float | None
    """None for NaN, which JSON does not have."""
    setpoint_c: float | None
    resistance_ohm: float | None
    power_mw: float | None
    temperature_std_c: float | None
    period_s: float


class FarSpectrum(msgspec.Struct, frozen=True):
    channels: int
    channel_ev: float
    offset_ev: float
    beam_kev: float
    fwhm_mn_ev: float
    live_s: float | None


class FarScan(msgspec.Struct, frozen=True):
    shape: tuple[int, int]
    dtype: str
    crc32: int
    time_s: float
    stage: StagePosition
    pixel_nm: float
    electrons_per_nm2: float | None
    gain: float | None
    offset: float | None
    beam_kev: float | None
    current_pa: float | None
    defocus_nm: float
    swept_deg: float
    rotation_deg: float
    image_shift_nm: tuple[float, float]
    detector: str
    x_rays: FarSpectrum | None = None


answers = msgspec.json.Decoder(FarAnswer)


def pixels_of(shape: tuple[int, int], dtype: str, crc32: int, parts: list[bytes]) -> tuple[NDArray[np.generic], bytes]:
    """Image (y, x) and the bytes of its photons; raises `ValueError` for what was cut or altered on the way."""
    pixels, photons = parts
    kind = np.dtype(dtype)
    if kind.kind not in "uif" or min(shape) < 1 or len(pixels) != kind.itemsize * shape[0] * shape[1]:
        raise ValueError(f"{len(pixels)} bytes do not hold {shape} pixels of {dtype}")
    if zlib.crc32(photons, zlib.crc32(pixels)) != crc32:
        raise ValueError("its checksum differs: it was altered on the way")
    return np.frombuffer(bytearray(pixels), kind).reshape(shape), photons
