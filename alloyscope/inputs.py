"""What a caller hands in, checked: each check returns the value as the analysis takes it, or says what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError

_STEEPEST_DEG = 90.0
_COLDEST_C = -273.15
_LEAST_PX = 16
_FEWEST_TILTS = 3


def array(value: Any, name: str, axes: str) -> NDArray[Any]:
    """Real, finite numbers with these axes (such as ``tilt, y, x``), none of them empty, in their own type."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name}: holds masked values; fill them in or leave out the images that have them")
    try:
        found = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name}: asked for ({axes}), found parts of unequal length; make them equal") from None
    if found.dtype.kind == "c":
        raise ValueError(f"{name}: asked for real numbers, found complex ones; give their modulus or real part")
    if found.dtype.kind not in "uif":
        raise ValueError(f"{name}: asked for numbers, found {_kind(value, found)}; convert them to integers or floats")
    wanted = len(axes.split(","))
    if found.ndim != wanted:
        raise ValueError(
            f"{name}: asked for {wanted} dimension(s) ({axes}), found {found.ndim} of shape {found.shape}; "
            "reshape it, or pick the part that is meant"
        )
    if found.size == 0:
        raise ValueError(f"{name}: asked for ({axes}), found none of shape {found.shape}; give at least one value")
    if not np.isfinite(found).all():
        number = int(np.count_nonzero(~np.isfinite(found)))
        raise ValueError(
            f"{name}: asked for finite numbers, found {number} NaN or infinite; replace them or leave out what has them"
        )
    return found


def images(value: Any, name: str = "images") -> NDArray[Any]:
    """A tilt series (tilt, y, x) of at least 3 images of 16 x 16 pixels that are not all the same value."""
    found = array(value, name, "tilt, y, x")
    if len(found) < _FEWEST_TILTS:
        raise ValueError(
            f"{name}: asked for at least {_FEWEST_TILTS} images, found {len(found)}; give the whole series"
        )
    _large_enough(found, name)
    return found


def image(value: Any, name: str = "image") -> NDArray[Any]:
    """One image (y, x) of at least 16 x 16 pixels."""
    found = array(value, name, "y, x")
    _large_enough(found, name)
    return found


def tilts(value: Any, count: int, name: str = "tilts_deg") -> NDArray[np.float64]:
    """One angle in degrees per image, in any order, as long as it is the images' own."""
    found = np.asarray(array(value, name, "tilt"), np.float64)
    if len(found) != count:
        raise ValueError(f"{name}: asked for one angle per image, found {len(found)} for {count} images; give {count}")
    if np.abs(found).max() > _STEEPEST_DEG:
        raise ValueError(
            f"{name}: asked for angles within +-90 deg, found {found[np.abs(found).argmax()]:g}; give degrees"
        )
    if np.ptp(found) == 0.0:
        raise ValueError(
            f"{name}: asked for a tilt series, found {found[0]:g} deg throughout; give each image's own angle"
        )
    return found


def column(value: Any, name: str, axis: str, count: int | None = None, *, positive: bool = True) -> NDArray[np.float64]:
    """A one-dimensional list of numbers, of so many, and above 0."""
    found = np.asarray(array(value, name, axis), np.float64)
    if count is not None and len(found) != count:
        raise ValueError(f"{name}: asked for {count}, one per {axis}, found {len(found)}; give {count}")
    if positive and found.min() <= 0.0:
        raise ValueError(f"{name}: asked for values above 0, found {found.min():g}; leave out those that are not")
    return found


def temperatures(value: Any, name: str = "temperatures_c") -> NDArray[np.float64]:
    """Temperatures in Celsius, in any order."""
    found = column(value, name, "temperature", positive=False)
    if found.min() <= _COLDEST_C:
        raise ValueError(f"{name}: asked for Celsius above -273.15, found {found.min():g}; check the unit")
    return found


def celsius(value: Any, name: str) -> float:
    """One temperature in Celsius."""
    found = number(value, name, "C")
    if found <= _COLDEST_C:
        raise ValueError(f"{name}: asked for Celsius above -273.15, found {found:g}; check the unit")
    return found


def times(value: Any, name: str = "seconds") -> NDArray[np.float64]:
    """Times in seconds from 0 on, in rising order: each is reached from the one before."""
    found = column(value, name, "time", positive=False)
    if found.min() < 0.0:
        raise ValueError(
            f"{name}: asked for times from 0 on, found {found.min():g} s; count from the start of the heat"
        )
    if np.any(np.diff(found) <= 0.0):
        place = int(np.argmax(np.diff(found) <= 0.0))
        raise ValueError(
            f"{name}: asked for rising times, found {found[place + 1]:g} after {found[place]:g} s; "
            "sort them and leave out doubles"
        )
    return found


def above_zero(value: Any, name: str, unit: str) -> float:
    """One finite number above 0."""
    found = number(value, name, unit)
    if not found > 0.0:
        raise ValueError(f"{name}: asked for a number above 0 {unit}, found {found:g}; give the calibrated value")
    return found


def number(value: Any, name: str, unit: str) -> float:
    """One finite number."""
    if isinstance(value, (bool, str, bytes, np.bool_)) or np.ndim(value) != 0 or np.iscomplexobj(value):
        raise ValueError(f"{name}: asked for one number in {unit}, found {value!r}; give a float")
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: asked for one number in {unit}, found {value!r}; give a float") from None
    if not np.isfinite(found):
        raise ValueError(f"{name}: asked for one finite number in {unit}, found {found}; give a float")
    return found


def whole(value: Any, name: str, least: int) -> int:
    """One whole number, not below the least."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: asked for a whole number from {least} on, found {value!r}; give an int")
    return int(value)


def one_of(value: Any, name: str, choices: Sequence[str]) -> str:
    """One of these words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"{name}: asked for one of {', '.join(map(repr, choices))}, found {value!r}; give one of those"
        )
    return value


def words(value: Any, name: str, such_as: str) -> tuple[str, ...]:
    """A sequence of strings; one alone counts as a sequence of it."""
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not all(isinstance(w, str) and w for w in found):
        raise ValueError(f"{name}: asked for strings such as {such_as}, found {value!r}; give a list of strings")
    return tuple(found)


def instance(value: Any, kinds: type | tuple[type, ...], name: str, asked: str, remedy: str) -> None:
    """A value of one of these types."""
    fits = isinstance(value, kinds)
    if not fits:
        raise ValueError(f"{name}: asked for {asked}, found {type(value).__name__}; {remedy}")


def path(value: Any, name: str) -> Path:
    """Where something may lie; whether it does is for the reader to say."""
    instance(value, (str, PathLike), name, "a path", "give a file or a folder")
    return Path(value)


@contextmanager
def told_as_value_error(name: str) -> Iterator[None]:
    """What the analysis refuses to take, as the error that a caller of a function expects."""
    try:
        yield
    except ConfigError as error:
        source = str(error).splitlines()[0].rstrip(":")
        raise ValueError(f"{name}: {'; '.join(error.problems)} ({source})") from error


def _large_enough(found: NDArray[Any], name: str) -> None:
    if min(found.shape[-2:]) < _LEAST_PX:
        rows, columns = found.shape[-2:]
        raise ValueError(
            f"{name}: asked for at least {_LEAST_PX} x {_LEAST_PX} pixels, found {rows} x {columns}; "
            "give a larger field or a finer scan"
        )
    if found.max() == found.min():
        raise ValueError(
            f"{name}: asked for an image, found the same value everywhere; give what the detector recorded"
        )


def _kind(value: Any, found: NDArray[Any]) -> str:
    return "text" if found.dtype.kind in "US" else f"{type(value).__name__} of {found.dtype}"
