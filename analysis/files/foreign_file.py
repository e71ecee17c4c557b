"""Other programs' files, read by RosettaSciIO where it is installed (it is under the GPL, and so an extra)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from drivers.errors import ConfigError

NM_PER = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "mm": 1e6, "m": 1e9, "pm": 1e-3, "å": 0.1, "angstrom": 0.1}
"""Units of length as such files write them, in lower case."""


@contextmanager
def signals_in(path: Path, reader: str, **options: Any) -> Iterator[list[dict[str, Any]]]:
    """What one of its readers finds in a file, open for as long as this; raises `ConfigError` with what to do."""
    try:
        plugin = import_module(f"rsciio.{reader}")
    except ModuleNotFoundError as error:
        words = f"reading {path.suffix} files needs the package {error.name!r}: pip install 'alloyscope[edx-files]'"
        raise ConfigError(str(path), [words]) from None
    try:
        found: list[dict[str, Any]] = plugin.file_reader(str(path), **options)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # a reader of many formats raises many things; the user needs one sentence
        raise ConfigError(str(path), [f"cannot be read as {path.suffix}: {error}"]) from None
    try:
        yield found
    finally:
        _close(path)


def _close(path: Path) -> None:
    """A reader asked for arrays that are read later leaves the HDF5 file open, and tells nobody the handle."""
    import h5py

    for identifier in h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE):
        if h5py.h5f.get_name(identifier) == str(path).encode():
            h5py.File(identifier).close()
