"""The one registry of readers: a session folder, a tilt series, an image, a spectrum image, a table of k-factors."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from analysis import files
from analysis.files.reader import FOLDER, Reader
from drivers.errors import ConfigError
from drivers.recorded.foreign_images import ending_of


@cache
def readers() -> tuple[Reader, ...]:
    """All there are, the most special first."""
    modules = (import_module(f"{files.__name__}.{m.name}") for m in iter_modules(files.__path__) if m.name != "readers")
    found = [module.READER for module in modules if hasattr(module, "READER")]
    return tuple(sorted(found, key=lambda r: (-r.rank, r.kind)))


def read(path: Path, kind: str | None = None) -> Any:
    """What a path holds, by the first reader that can make sense of it.

    Parameters
    ----------
    kind : only readers of this kind, such as ``image``

    Returns
    -------
    session folder : list of `StreamItem`
    tilt series : (tilt, y, x)
    image : (y, x), and its pixel size in nm where the file tells it
    spectrum image : `SpectrumImage`
    k table : `KTable`

    Raises
    ------
    ConfigError
        For a path that is not there, or that no reader can make sense of; with what each of them says.
    """
    if not path.exists():
        raise ConfigError(str(path), ["there is no such file or folder"])
    ending = FOLDER if path.is_dir() else ending_of(path)
    asked = [r for r in readers() if kind in (None, r.kind)]
    fitting = [r for r in asked if ending in r.endings]
    if not fitting:
        known = "; ".join(f"{r.kind}: {' '.join(r.endings)}" for r in asked if FOLDER not in r.endings)
        raise ConfigError(str(path), [f"files ending in {path.suffix!r} are not read; there are readers for {known}"])
    problems: list[str] = []
    for reader in fitting:
        try:
            return reader.read(path)
        except ConfigError as error:
            problems += [f"as {reader.kind}: {problem}" for problem in error.problems]
    raise ConfigError(str(path), problems)
