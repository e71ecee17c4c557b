"""Arrays out of TIFF and MRC files that others wrote, or made up: never more than a file of that size can hold."""

from __future__ import annotations

import bz2
import gzip
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError

TIFF_ENDINGS, MRC_ENDINGS = (".tif", ".tiff"), (".mrc", ".mrcs", ".st", ".ali", ".rec", ".map")

_MOST_PACKED = 1100
"""Bytes that one byte of a packed file can stand for; deflate ends at 1032."""
_MISSING_IMAGES = ("TiffPages", "failed to reshape", "StripOffsets", "TileOffsets", "ByteCounts")
_SMALL_BYTES = 64 * 2**20
"""Of an array that is read whatever its file's size."""
_HEADER_BYTES = 1024
_MRC_BYTES = {0: 1, 1: 2, 2: 4, 3: 4, 4: 8, 6: 2, 12: 2, 101: 1}
"""Of a voxel, by the mode in a header (MRC2014); mode 101 packs two into one."""


def read_tiff(path: Path) -> NDArray[np.generic]:
    """What a TIFF file holds; raises `ConfigError`."""
    import tifffile

    damage = _Damage()
    log = logging.getLogger("tifffile")
    log.addHandler(damage)
    try:
        with _in_words(path, "TIFF"), tifffile.TiffFile(path) as file:
            series = file.series[0]
            _check_size(path, int(series.size) * series.dtype.itemsize)
            stack = np.asarray(series.asarray())
    finally:
        log.removeHandler(damage)
    if damage.found:
        raise ConfigError(str(path), [f"is damaged: {damage.found[0]}"])
    return stack


class _Damage(logging.Handler):
    """What tifffile only logs: images that it cannot reach are missing from what it gives."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        if any(
            sign in words for sign in ("TiffPages", "failed to reshape", "StripOffsets", "TileOffsets", "ByteCounts")
        ):
            self.found.append(words.rpartition("> ")[2])


def read_mrc(path: Path) -> tuple[NDArray[np.generic], float | None]:
    """What an MRC file holds, packed or not, and its voxel in nm where it tells one; raises `ConfigError`."""
    import mrcfile
    from mrcfile.mrcinterpreter import MrcInterpreter

    with _in_words(path, "MRC"), warnings.catch_warnings():
        # What mrcfile warns of (odd headers, NaN) is either harmless or refused by those who ask, in our words.
        warnings.simplefilter("ignore", RuntimeWarning)
        packed = _unpacked(path)
        if packed is None:
            with mrcfile.open(path, permissive=True) as file:
                data, size = np.array(file.data), float(file.voxel_size.x)
        else:
            with MrcInterpreter(iostream=packed, permissive=True) as file:
                data, size = np.array(file.data), float(file.voxel_size.x)
    return data, 0.1 * size if size > 0.0 and np.isfinite(size) else None


@contextmanager
def _in_words(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except ConfigError:
        raise
    except MemoryError:
        raise ConfigError(str(path), ["is larger than this computer's memory; bin or crop it"]) from None
    except Exception as error:  # readers of damaged files raise whatever their innards do; the user needs one sentence
        raise ConfigError(str(path), [f"is not a readable {kind} file ({error or type(error).__name__})"]) from error


def _check_size(path: Path, declared_bytes: int) -> None:
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    gb = f"{declared_bytes / 1e9:.1f} GB"
    if declared_bytes > max(_SMALL_BYTES, _MOST_PACKED * path.stat().st_size):
        raise ConfigError(str(path), [f"says that it holds {gb}, which no file of its size can: it is damaged"])
    if declared_bytes > memory_bytes // 2:
        raise ConfigError(str(path), [f"holds {gb}, more than half of this computer's memory; bin or crop it"])


def _unpacked(path: Path) -> BytesIO | None:
    """A gzip or bzip2 file as far as its header says that it goes, and no farther; None of a plain one."""
    with path.open("rb") as plain:
        magic = plain.read(3)
    if magic[:2] != b"\x1f\x8b" and magic != b"BZh":
        return None
    with gzip.open(path) if magic[:2] == b"\x1f\x8b" else bz2.open(path) as file:
        header = file.read(_HEADER_BYTES)
        nx, ny, nz, mode = (int(n) for n in np.frombuffer(header[:16].ljust(16, b"\0"), "<i4"))
        extended = int(np.frombuffer(header[92:96].ljust(4, b"\0"), "<i4")[0])
        if min(nx, ny, nz) < 1 or mode not in _MRC_BYTES or extended < 0:
            raise ConfigError(str(path), ["is packed, and its header is no MRC header of this byte order; unpack it"])
        size = extended + nx * ny * nz * _MRC_BYTES[mode]
        _check_size(path, size)
        return BytesIO(header + file.read(size))
