"""Images out of MRC files: MRC2014, and what IMOD, SerialEM and FEI put into its headers."""

from __future__ import annotations

import bz2
import gzip
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.recorded.foreign_file import ForeignImages, check_size, in_words, square_pixel_nm

MRC_ENDINGS = (".mrc", ".mrcs", ".st", ".ali", ".rec", ".map")

_HEADER_BYTES = 1024
_IMOD_STAMP = 1146047817
"""At byte 152; IMOD's flags follow it (https://bio3d.colorado.edu/imod/doc/mrc_format.txt)."""
_SIGNED, _TWO_IN_A_BYTE = 1, 16
_BYTES, _HALF_BYTES = 0, 101
"""Modes."""
_SMOOTHER = 0.7
"""Steps from pixel to pixel, against those with the other sign: images do not wrap around."""
_SERIALEM_BYTES = {1: 2, 2: 6, 4: 4, 8: 2, 16: 2, 32: 4}
"""In SerialEM's extended header, of what each of its flags stands for; the first is the tilt in 0.01 deg."""


def read_mrc(path: Path) -> ForeignImages:
    """What an MRC file holds, packed (gzip, bzip2) or not; raises `ConfigError`.

    Bytes are signed or not as IMOD's stamp says; without a stamp as the header's extremes do, or the images.
    """
    with in_words(path, "MRC"), _opened(path) as file:
        header = _Header(path, file.read(_HEADER_BYTES))
        before = _HEADER_BYTES + header.extended_bytes
        if isinstance(file, (gzip.GzipFile, bz2.BZ2File)):
            check_size(path, before + header.data_bytes)
        else:
            header.check_length(path.stat().st_size - before)
            check_size(path, before + header.data_bytes)
        extended, voxels = file.read(header.extended_bytes), file.read(header.data_bytes)
        header.check_length(len(voxels))
        return ForeignImages(header.images(voxels), header.pixel_nm(), header.tilts_deg(extended))


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as plain:
        magic = plain.read(3)
    if magic[:2] == b"\x1f\x8b":
        return cast(BinaryIO, gzip.open(path))
    return cast(BinaryIO, bz2.open(path)) if magic == b"BZh" else path.open("rb")


class _Header:
    """The first 1024 bytes; raises `ConfigError` where they are no such header, or of what is no stack of images."""

    def __init__(self, path: Path, raw: bytes) -> None:
        from mrcfile.mrcinterpreter import MrcInterpreter
        from mrcfile.utils import spacegroup_is_volume_stack

        self.path, self.raw = path, raw
        told: Any = MrcInterpreter(iostream=BytesIO(raw), permissive=True, header_only=True).header
        self.told = told
        self.mode, self.extended_bytes = int(told.mode), int(told.nsymbt)
        nx, ny, nz = int(told.nx), int(told.ny), int(told.nz)
        if min(nx, ny, nz) < 1 or self.extended_bytes < 0:
            raise ConfigError(str(path), [f"is no MRC file: its header tells of {nz} images of {ny} x {nx} pixels"])
        if spacegroup_is_volume_stack(told.ispg) and nz > int(told.mz) > 1:
            raise ConfigError(str(path), ["holds a stack of volumes; give one stack of images"])
        flags = self._imod_flags()
        if self.mode == _BYTES and flags is not None and flags & _TWO_IN_A_BYTE:
            self.mode, nx = _HALF_BYTES, 2 * nx
        self.shape = nz, ny, nx
        self.row_bytes = (nx + 1) // 2 if self.mode == _HALF_BYTES else nx * self._dtype().itemsize
        self.data_bytes = nz * ny * self.row_bytes

    def check_length(self, found_bytes: int) -> None:
        if found_bytes < self.data_bytes:
            count, ny, _ = self.shape
            whole = max(0, found_bytes) // (ny * self.row_bytes)
            words = f"is cut short: {count} images in its header, {whole} whole ones in the file; copy it again"
            raise ConfigError(str(self.path), [words])

    def images(self, voxels: bytes) -> NDArray[np.generic]:
        """(image, y, x)"""
        if self.mode == _HALF_BYTES:
            pairs = np.frombuffer(voxels, np.uint8).reshape(*self.shape[:2], self.row_bytes)
            return np.stack([pairs & 15, pairs >> 4], axis=-1).reshape(*self.shape[:2], -1)[..., : self.shape[2]]
        data: NDArray[Any] = np.frombuffer(bytearray(voxels), self._dtype()).reshape(self.shape)
        if self.mode != _BYTES:
            return data
        return data if self._bytes_are_signed(data) else data.view(np.uint8)

    def pixel_nm(self) -> float | None:
        cell, told = self.told.cella, self.told
        x, y = (0.1 * float(a) / int(n) if n > 0 else None for a, n in ((cell.x, told.mx), (cell.y, told.my)))
        return square_pixel_nm(self.path, y, x)

    def tilts_deg(self, extended: bytes) -> NDArray[np.float64] | None:
        """Of each image, as FEI or SerialEM wrote them behind the header; None where they did not."""
        count = self.shape[0]
        if self.told.exttyp in (b"FEI1", b"FEI2"):
            from mrcfile.mrcinterpreter import MrcInterpreter

            told = MrcInterpreter(iostream=BytesIO(self.raw + extended), permissive=True, header_only=True)
            entries = told.indexed_extended_header
            if entries is not None and len(entries) >= count:
                return _believable(np.asarray(entries["Alpha tilt"][:count], np.float64))
            return None
        each, flags = (int(n) for n in np.frombuffer(self.raw, self._order() + "i2", 2, 128))
        lengths = sum(n for flag, n in _SERIALEM_BYTES.items() if flags & flag)
        if not (flags & 1 and 0 < flags < 64 and each == lengths and len(extended) >= each * count):
            return None
        entries = np.frombuffer(extended, np.uint8, each * count).reshape(count, each)
        hundredths = np.ascontiguousarray(entries[:, :2]).view(self._order() + "i2")
        return _believable(0.01 * hundredths[:, 0].astype(np.float64))

    def _dtype(self) -> np.dtype[Any]:
        from mrcfile.utils import data_dtype_from_header

        try:
            found: np.dtype[Any] = data_dtype_from_header(self.told)
        except ValueError:
            words = f"is no MRC file, or one of mode {self.mode}, which is not read; convert it to integers or floats"
            raise ConfigError(str(self.path), [words]) from None
        return found

    def _order(self) -> str:
        return "<" if self.told.mode.dtype.newbyteorder("<") == self.told.mode.dtype else ">"

    def _imod_flags(self) -> int | None:
        stamp, flags = np.frombuffer(self.raw, self._order() + "i4", 2, 152)
        return int(flags) if stamp == _IMOD_STAMP else None

    def _bytes_are_signed(self, signed: NDArray[np.int8]) -> bool:
        flags = self._imod_flags()
        if flags is not None:
            return bool(flags & _SIGNED)
        unsigned, extremes = signed.view(np.uint8), (float(self.told.dmin), float(self.told.dmax))
        for data in (signed, unsigned):
            if extremes == (float(data.min()), float(data.max())):
                return data is signed
        steps = [sum(np.abs(np.diff(i.astype(np.int16), axis=1)).sum() for i in d) for d in (signed, unsigned)]
        return bool(steps[0] < _SMOOTHER * steps[1])


def _believable(tilts_deg: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Writers that know no tilts leave zeros."""
    return tilts_deg if np.isfinite(tilts_deg).all() and np.any(tilts_deg != 0.0) else None
