"""Tilts in the files that come with a tilt series: lists, tables, SerialEM's .mdoc; and which column holds them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.recorded.foreign_file import read_text

ANGLE_ENDINGS = (".mdoc", ".rawtlt", ".tlt")
"""Of files that lie beside a stack."""
STEEPEST_DEG = 180.0
"""Holders that turn all the way are read from 0 to 180 deg, or from -180 deg."""
_NAMES = ("tilt", "angle", "alpha")
_ONE = "write one tilt in degrees per line"


@dataclass(frozen=True, eq=False)
class TiltAngles:
    """What a file tells of each image, in the images' order."""

    tilts_deg: NDArray[np.float64]
    acquired: tuple[datetime, ...] | None = None
    names: tuple[str, ...] | None = None
    """Of the images' files, where it is told."""
    pixel_nm: float | None = None


def read_angles(path: Path) -> TiltAngles:
    """Tilts in degrees: one per line, the tilt column of a table, or a SerialEM .mdoc; raises `ConfigError`.

    Of a table the tilts are the column that a header calls so, or the only one that is neither constant nor counts
    lines. A comma may stand for the decimal point. Text may be UTF-8 or UTF-16, with a byte order mark or without.
    """
    if not path.is_file():
        raise ConfigError(str(path), [f"there is no such file; {_ONE}"])
    text = read_text(path)
    found = _mdoc(path, text) if re.search(r"^\s*TiltAngle\s*=", text, re.MULTILINE) else None
    angles = found or TiltAngles(_listed(path, text))
    check_tilts(path, angles.tilts_deg)
    return angles


def check_tilts(path: Path, tilts_deg: NDArray[np.float64]) -> None:
    """Refuse what are no tilts in degrees."""
    if not len(tilts_deg):
        raise ConfigError(str(path), [f"holds no tilts; {_ONE}"])
    if not np.isfinite(tilts_deg).all():
        raise ConfigError(str(path), [f"holds angles that are not numbers; {_ONE}"])
    steepest = float(tilts_deg[np.abs(tilts_deg).argmax()])
    if abs(steepest) > STEEPEST_DEG:
        raise ConfigError(str(path), [f"holds a tilt of {steepest:g} deg; tilts lie within +-{STEEPEST_DEG:g} deg"])
    if len(tilts_deg) > 1 and np.ptp(tilts_deg) == 0.0:
        words = f"says {tilts_deg[0]:g} deg of all {len(tilts_deg)} images; a tilt series needs each image's own tilt"
        raise ConfigError(str(path), [words])


def tilt_column(table: NDArray[np.float64], *, alone: bool) -> int | None:
    """Which column (line, column) may be tilts, when only one may: neither constant, nor counting, nor beyond 180.

    Parameters
    ----------
    alone : a table's only column is taken whatever it is
    """
    if alone and table.shape[1] == 1:
        return 0
    found = [k for k, column in enumerate(table.T) if not _is_other(column)]
    return found[0] if len(found) == 1 else None


def _is_other(column: NDArray[np.float64]) -> bool:
    """Certainly no tilts: the same throughout, a count of the lines in any order, or too large."""
    if not np.isfinite(column).all() or np.abs(column).max() > STEEPEST_DEG:
        return True
    steps = np.diff(np.sort(column))
    counts = bool((steps == 1.0).all()) and column.min() >= 0.0 and not np.mod(column, 1.0).any()
    return counts or bool(np.ptp(column) == 0.0)


def _listed(path: Path, text: str) -> NDArray[np.float64]:
    lines = [(n, s.strip()) for n, s in enumerate(text.splitlines(), 1) if s.strip() and not s.lstrip().startswith("#")]
    if not lines:
        return np.empty(0)
    rows = list(zip((n for n, _ in lines), _fields(path, [s for _, s in lines]), strict=True))
    header: list[str] = []
    if len(rows) > 1 and not any(_is_number(f) for f in rows[0][1]):
        header = [f.lower() for f in rows.pop(0)[1]]
    named = [k for k, word in enumerate(header) if any(name in word for name in _NAMES) and "axis" not in word]
    if len(named) > 1:
        named = [k for k in named if "tilt" in header[k]]
    if len(named) == 1 and len(header) == len(rows[0][1]):
        rows = [(n, [fields[named[0]]] if len(fields) > named[0] else []) for n, fields in rows]
    problems = [
        f"line {n}: {' '.join(fields) or 'nothing there'!r} is not a tilt in degrees"
        for n, fields in rows
        if not fields or not all(_is_number(f) for f in fields)
    ]
    if problems:
        raise ConfigError(str(path), problems[:20])
    widths = sorted({len(fields) for _, fields in rows})
    if len(widths) > 1:
        raise ConfigError(str(path), [f"has lines of {widths[0]} and of {widths[-1]} numbers; {_ONE}"])
    table = np.array([[_number(f) for f in fields] for _, fields in rows], np.float64).reshape(len(rows), -1)
    column = tilt_column(table, alone=True)
    if column is None:
        words = f"has {table.shape[1]} columns, and which are the tilts cannot be told; {_ONE}, or head it tilt_deg"
        raise ConfigError(str(path), [words])
    return table[:, column]


def _fields(path: Path, lines: Sequence[str]) -> list[list[str]]:
    """Lines split at what separates their numbers; a comma with a digit on both sides may be a decimal point."""
    numbers = [line for line in lines if not re.search(r"[A-Za-z]", line)]
    together = "\n".join(re.sub(r",\s+", ",", line) for line in numbers)
    within_lines = together.replace("\n", "")
    separator = next((s for s in ";\t" if s in within_lines), " " if " " in within_lines else ",")
    split_by_commas = any("," in line for line in lines if line not in numbers)
    if (
        separator == ","
        and not split_by_commas
        and numbers
        and all(re.fullmatch(r"[+-]?\d+,\d+", line) for line in numbers)
    ):
        firsts = np.array([float(line.partition(",")[0]) for line in numbers])
        if len(firsts) > 1 and _is_other(firsts):
            words = (
                "has commas that may be decimal points or stand between columns; write points, and one tilt per line"
            )
            raise ConfigError(str(path), [words])
        separator = ";"
    if separator == " ":
        return [line.split() for line in lines]
    return [[f.strip().strip('"') for f in line.rstrip(separator + " ").split(separator)] for line in lines]


def _number(field: str) -> float:
    return float(field.replace(",", "."))


def _is_number(field: str) -> bool:
    try:
        _number(field)
    except ValueError:
        return False
    return True


def _mdoc(path: Path, text: str) -> TiltAngles:
    """SerialEM's own account (https://bio3d.colorado.edu/SerialEM/hlp/html/about_formats.htm), by section number."""
    head, *sections = re.split(r"^\s*\[\s*(?=ZValue|Image|FrameSet)", text, flags=re.MULTILINE)
    entries: list[tuple[int, dict[str, str], str]] = []
    for section in sections:
        title, _, body = section.partition("]")
        told = dict(re.findall(r"^\s*(\w+)\s*=\s*(.+?)\s*$", body, re.MULTILINE))
        kind, _, which = (part.strip() for part in title.partition("="))
        name = which if kind == "Image" else told.get("SubFramePath", "")
        number = int(which) if kind == "ZValue" and which.isdigit() else len(entries)
        entries.append((number, told, PureWindowsPath(name).name))
    entries.sort(key=lambda entry: entry[0])
    try:
        tilts_deg = np.array([float(told["TiltAngle"]) for _, told, _ in entries])
    except (KeyError, ValueError):
        raise ConfigError(
            str(path), ["does not tell the TiltAngle of each of its images; write them in a list"]
        ) from None
    dates = [_date(told.get("DateTime", "")) for _, told, _ in entries]
    spacing = re.search(r"^\s*PixelSpacing\s*=\s*(\S+)", head + text, re.MULTILINE)
    return TiltAngles(
        tilts_deg,
        tuple(d for d in dates if d is not None) if entries and all(dates) else None,
        tuple(name for *_, name in entries) if all(name for *_, name in entries) else None,
        0.1 * float(spacing[1]) if spacing and _is_number(spacing[1]) and float(spacing[1]) > 0.0 else None,
    )


def _date(text: str) -> datetime | None:
    for pattern in ("%d-%b-%y  %H:%M:%S", "%d-%b-%Y  %H:%M:%S", "%Y-%m-%d %H:%M:%S"):
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None
