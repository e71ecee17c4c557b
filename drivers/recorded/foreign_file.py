"""Images out of files that others wrote, or made up: what they hold, and what they may claim to hold."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.memory import memory_bytes

NM_PER = {
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre"), 1.0),
    **dict.fromkeys(("um", "µm", "μm", "\\u00b5m", "micron", "microns", "micrometer"), 1e3),
    **dict.fromkeys(("å", "a", "ang", "angstrom", "angstroms", "ångström"), 0.1),
    "mm": 1e6,
    "m": 1e9,
    "pm": 1e-3,
}
"""Units of length as files write them, in lower case."""

_MOST_PACKED = 1100
"""Bytes that one byte of a packed file can stand for; deflate ends at 1032."""
_SMALL_BYTES = 64 * 2**20
"""Of an array that is read whatever its file's size."""
_SQUARE = 0.01


@dataclass(frozen=True, eq=False)
class ForeignImages:
    """What a file of another program holds."""

    data: NDArray[np.generic]
    """(y, x), or (image, y, x)."""
    pixel_nm: float | None = None
    """None where the file does not tell it."""
    tilts_deg: NDArray[np.float64] | None = None
    """(image,) where the file tells them; of a single image one."""
    acquired: tuple[datetime, ...] | None = None
    """Of each image, in the microscope's local time, where the file tells it."""


@contextmanager
def in_words(path: Path, kind: str) -> Iterator[None]:
    """Whatever a reader raises becomes a `ConfigError`; what it warns of is left to our own words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ConfigError:
        raise
    except MemoryError:
        raise ConfigError(str(path), ["is larger than this computer's memory; bin or crop it"]) from None
    except Exception as error:  # readers of damaged files raise whatever their innards do; the user needs one sentence
        raise ConfigError(str(path), [f"is not a readable {kind} file ({error or type(error).__name__})"]) from error


def check_size(path: Path, declared_bytes: int) -> None:
    """Refuse what no file of this size can hold, and what this computer cannot."""
    gb = f"{declared_bytes / 1e9:.1f} GB"
    if declared_bytes > max(_SMALL_BYTES, _MOST_PACKED * path.stat().st_size):
        raise ConfigError(str(path), [f"says that it holds {gb}, which no file of its size can: it is damaged"])
    check_memory(path, declared_bytes)


def check_memory(path: Path, declared_bytes: int) -> None:
    """Refuse what this computer cannot hold and work on."""
    if declared_bytes > memory_bytes() // 2:
        words = f"holds {declared_bytes / 1e9:.1f} GB, more than half of this computer's memory; bin or crop it"
        raise ConfigError(str(path), [words])


def square_pixel_nm(path: Path, y_nm: float | None, x_nm: float | None) -> float | None:
    """The edge of a file's pixels, where it tells one; raises `ConfigError` for oblong ones."""
    told = [size for size in (y_nm, x_nm) if size is not None and np.isfinite(size) and size > 0.0]
    if len(told) < 2:
        return told[0] if told else None
    if abs(told[0] / told[1] - 1.0) > _SQUARE:
        words = f"its pixels are {told[0]:.3g} x {told[1]:.3g} nm (y, x); resample it to square ones"
        raise ConfigError(str(path), [words])
    return told[1]


def nm_per(unit: object) -> float | None:
    """Nanometres of a unit as a file writes it; None of what is no length."""
    return NM_PER.get(str(unit or "").strip().lower())


def read_text(path: Path) -> str:
    """Text of a foreign program: UTF-16 where a byte order mark says so, else UTF-8, else of the Windows of old."""
    raw = path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    if raw[1:2] == b"\0":
        return raw.decode("utf-16-le", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")
