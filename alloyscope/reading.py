"""Reading what lies in a file or folder, by what it is."""

from __future__ import annotations

from os import PathLike
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
    from analysis.files.readers import read as by_registry

    with inputs.told_as_value_error("path"):
        return by_registry(place)
