"""Other programs' files, read by RosettaSciIO where it is installed (it is under the GPL, and so an extra)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.recorded.foreign_file import ForeignImages, check_size, nm_per, square_pixel_nm

READER_OF = {
    ".emd": "emd",
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".hspy": "hspy",
    ".ser": "tia",
}
"""Its readers of images, by the files' endings."""

_DEGREES = ("deg", "degree", "degrees", "°")


def read_signals(path: Path) -> ForeignImages:
    """The images in a file of another program: its largest one, or its largest stack of them; raises `ConfigError`.

    Of a map with a spectrum at each pixel, all counts are one image.
    """
    with signals_in(path, READER_OF[path.suffix.lower()]) as signals:
        images = [s for s in signals if s["data"].ndim in (2, 3) and _energy_free(s)]
        if not images:
            images = [_summed(s) for s in signals if [a["navigate"] for a in s["axes"]] == [True, True, False]]
        if not images:
            shapes = ", ".join(str(s["data"].shape) for s in signals) or "nothing"
            raise ConfigError(str(path), [f"holds no image (y, x), only {shapes}"])
        largest = max(images, key=lambda s: (s["data"].shape[-1] * s["data"].shape[-2], int(s["data"].size)))
        check_size(path, int(largest["data"].size) * largest["data"].dtype.itemsize)
        y, x = (_in_nm(a) for a in largest["axes"][-2:])
        when = _date(largest)
        single = largest["data"].ndim == 2
        return ForeignImages(
            np.asarray(largest["data"]),
            square_pixel_nm(path, y, x),
            _tilts_deg(largest),
            (when,) if single and when is not None else None,
        )


@contextmanager
def signals_in(path: Path, reader: str, **options: Any) -> Iterator[list[dict[str, Any]]]:
    """What one of its readers finds in a file, open for as long as this; raises `ConfigError` with what to do."""
    try:
        plugin = import_module(f"rsciio.{reader}")
    except ModuleNotFoundError as error:
        words = f"reading {path.suffix} files needs the package {error.name!r}: pip install 'alloyscope[edx-files]'"
        raise ConfigError(str(path), [words]) from None
    log = logging.getLogger("rsciio")
    quiet = logging.NullHandler()  # else Python prints what it logs over the screen
    log.addHandler(quiet)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: list[dict[str, Any]] = plugin.file_reader(str(path), **options)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # a reader of many formats raises many things; the user needs one sentence
        raise ConfigError(str(path), [f"cannot be read as {path.suffix}: {error}"]) from None
    finally:
        log.removeHandler(quiet)
    try:
        yield found
    finally:
        _close(path)


def told(signal: dict[str, Any]) -> dict[str, set[float]]:
    """All that the file says of the instrument: from its metadata, and from what the reader maps onto them.

    Keys are as `plain_key` makes them.
    """
    found: dict[str, set[float]] = {}

    def walk(node: Any) -> None:
        for key, value in node.items():
            if hasattr(value, "items"):
                walk(value)
            elif (number := _number(value)) is not None:
                found.setdefault(plain_key(key), set()).add(number)

    walk(signal.get("metadata", {}))
    for source, (target, convert) in signal.get("mapping", {}).items():
        value: Any = signal.get("original_metadata", {})
        for part in source.split("."):
            value = value.get(part) if hasattr(value, "get") else None
        if value is not None:
            try:
                found[plain_key(target.rpartition(".")[2])] = {float(value if convert is None else convert(value))}
            except (TypeError, ValueError):
                continue
    return found


def plain_key(words: object) -> str:
    """As programs write one key or unit, in spite of case and white space."""
    return "_".join(str(words).lower().split())


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) or np.ndim(value) else float(value)
    except (TypeError, ValueError):
        return None


def _energy_free(signal: dict[str, Any]) -> bool:
    """A plain image, or a stack of them: no axis of spectra."""
    if signal["data"].ndim == 2:
        return True
    return [bool(a["navigate"]) for a in signal["axes"]] == [True, False, False] or not any(
        a["navigate"] for a in signal["axes"]
    )


def _summed(map_: dict[str, Any]) -> dict[str, Any]:
    """Of a map with a spectrum at each pixel, all counts."""
    return map_ | {"data": np.asarray(map_["data"].sum(axis=-1), np.float64), "axes": map_["axes"][:2]}


def _in_nm(axis: dict[str, Any]) -> float | None:
    per = nm_per(axis.get("units"))
    return None if per is None or "scale" not in axis else abs(float(axis["scale"])) * per


def _tilts_deg(signal: dict[str, Any]) -> NDArray[np.float64] | None:
    """Of a stack from its first axis where that is one of angles, of an image from what is said of the stage."""
    if signal["data"].ndim == 2:
        tilt_deg = min(told(signal).get("tilt_alpha", set()), default=None)
        return None if tilt_deg is None else np.array([tilt_deg])
    axis = signal["axes"][0]
    if str(axis.get("units", "")).strip().lower() not in _DEGREES:
        return None
    if "axis" in axis:  # one without a step of its own
        return np.asarray(axis["axis"], np.float64)
    return np.asarray(float(axis["offset"]) + float(axis["scale"]) * np.arange(len(signal["data"])))


def _date(signal: dict[str, Any]) -> datetime | None:
    general = signal.get("metadata", {}).get("General", {})
    try:
        return datetime.fromisoformat(f"{general['date']}T{general['time']}").replace(tzinfo=None)
    except (KeyError, ValueError):
        return None


def _close(path: Path) -> None:
    """A reader asked for arrays that are read later leaves the HDF5 file open, and tells nobody the handle."""
    import h5py

    for identifier in h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE):
        if h5py.h5f.get_name(identifier) == str(path).encode():
            h5py.File(identifier).close()
