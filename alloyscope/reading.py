"""Reading what lies in a file or folder, by what it is."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from alloyscope import inputs


def read(path: str | PathLike[str]) -> Any:
    """Read a session folder, tilt series, image, spectrum image or k table, by what the path is.

    Parameters
    ----------
    path : a folder gives a `RecordedSession`; .hspy, .bcf, .emd and the .h5 of an EDX map a spectrum image (y, x,
        channel), or else an image; .tif, .mrc and .st a tilt series (tilt, y, x) or an image (y, x); .png, .dm3 and
        .dm4 an image; .toml a table of k-factors

    Returns
    -------
    RecordedSession, SpectrumImage, KTable, an array (tilt, y, x), or ``(image, pixel_nm)``
        The pixel size is None where the file does not tell it.

    Raises
    ------
    ValueError
        For a path that is not there, is of another kind, or is damaged.

    Examples
    --------
    >>> import tempfile, pathlib, alloyscope as al
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = pathlib.Path(folder, "k.toml")
    ...     _ = table.write_text("[k]\\nFe_Ka = 1.45\\nAg_La = 1.9\\n")
    ...     al.read(table).of(["Fe_Ka", "Ag_La"])
    ['Fe_Ka=1.45:0.0', 'Ag_La=1.9:0.0']
    """
    from alloyscope.session import open_session

    place = inputs.path(path, "path")
    if place.is_dir():
        return open_session(place)
    if not place.is_file():
        raise ValueError(f"path: asked for a file or folder, found nothing at {str(path)!r}; check the spelling")
    reader = _READERS.get(place.suffix.lower())
    if reader is None:
        raise ValueError(
            f"path: asked for one of {' '.join(_READERS)}, found {place.suffix!r}; export it as one of those"
        )
    with inputs.told_as_value_error("path"):
        return reader(place)


def _k_table(path: Path) -> Any:
    from analysis.files.k_table import read_k_table

    return read_k_table(path)


def _spectra(path: Path) -> Any:
    from analysis.files.spectrum_file import read_spectrum_image

    return read_spectrum_image(path)


def _spectra_or_image(path: Path) -> Any:
    from drivers.errors import ConfigError

    try:
        return _spectra(path)
    except ConfigError as error:
        if not any("holds no spectrum image" in problem for problem in error.problems):
            raise
        return _image(path)


def _image(path: Path) -> Any:
    from analysis.files.image_file import read_image

    return read_image(path)


def _stack_or_image(path: Path) -> Any:
    from drivers.errors import ConfigError
    from drivers.recorded.tilt_series_file import read_stack

    try:
        return read_stack(path)
    except ConfigError as error:
        if not any("a tilt series is (tilt, y, x)" in problem for problem in error.problems):
            raise
        return _image(path)


_READERS: dict[str, Callable[[Path], Any]] = {
    ".toml": _k_table,
    ".bcf": _spectra,
    ".h5": _spectra,
    ".hspy": _spectra_or_image,
    ".emd": _spectra_or_image,
    ".tif": _stack_or_image,
    ".tiff": _stack_or_image,
    ".mrc": _stack_or_image,
    ".st": _stack_or_image,
    ".png": _image,
    ".dm3": _image,
    ".dm4": _image,
}
