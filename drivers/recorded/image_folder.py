"""A folder of single images, one per tilt, as some microscopes save a tilt series."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.recorded.foreign_file import ForeignImages, check_memory
from drivers.recorded.foreign_images import IMAGE_ENDINGS, ending_of, read_images
from drivers.recorded.tilt_angles import TiltAngles, read_angles, tilt_column

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_MARKED = re.compile(r"(?:tilt|angle|alpha|deg)[ _=]?$", re.IGNORECASE)
"""Before a hyphen that is a sign."""
_SAME_PIXELS = 1.005
Told = tuple[NDArray[np.float64], tuple[datetime, ...] | None]
"""Tilts of the images, and when they were taken."""


def images_of(folder: Path) -> list[Path]:
    """Its image files, in the order in which people count: 2 comes before 10; raises `ConfigError` where none are,
    or of several kinds."""
    found = [p for p in folder.iterdir() if p.is_file() and ending_of(p) in IMAGE_ENDINGS and p.name[0] != "."]
    if not found:
        raise ConfigError(str(folder), [f"holds no images; there are readers for {', '.join(IMAGE_ENDINGS)}"])
    endings = sorted({ending_of(p) for p in found})
    if len(endings) > 1:
        words = f"holds images ending in {', '.join(endings)}; leave those of the tilt series alone there"
        raise ConfigError(str(folder), [words])
    return sorted(found, key=lambda p: [(0, int(w), "") if w.isdigit() else (1, 0, w) for w in _parts(p)])


def read_folder(folder: Path, angles: TiltAngles | None = None) -> ForeignImages:
    """All images of a folder as one stack, in the order of their names; raises `ConfigError`.

    Parameters
    ----------
    angles : tilts in that order, or by the images' names where they come with them; else they are taken from the
        images' own headers, from .mdoc files beside them, or from the images' names
    """
    paths = images_of(folder)
    first = read_images(paths[0])
    check_memory(folder, len(paths) * first.data.nbytes)
    images = [first, *(read_images(p) for p in paths[1:])]
    data = [i.data[0] if i.data.ndim == 3 and len(i.data) == 1 else i.data for i in images]
    problems = [
        f"{p.name} holds {d.shape} pixels, {paths[0].name} {data[0].shape}; leave one image (y, x) of each tilt there"
        for p, d in zip(paths, data, strict=True)
        if d.shape != data[0].shape or d.ndim != 2
    ]
    sizes_nm = sorted({i.pixel_nm for i in images if i.pixel_nm is not None})
    if sizes_nm and sizes_nm[-1] > _SAME_PIXELS * sizes_nm[0]:
        words = f"holds pixels of {sizes_nm[0]:.4g} and of {sizes_nm[-1]:.4g} nm; a series has one magnification"
        problems.append(words)
    if problems:
        raise ConfigError(str(folder), problems[:20])
    if angles is not None:
        tilts_deg, acquired = _by_name(folder, paths, angles)
    else:
        tilts_deg, acquired = _from_headers(images) or _from_mdocs(folder, paths) or (_from_names(folder, paths), None)
    if acquired is None and all(i.acquired for i in images):
        acquired = tuple(i.acquired[0] for i in images if i.acquired)
    return ForeignImages(np.stack(data), sizes_nm[0] if sizes_nm else None, tilts_deg, acquired)


def _parts(path: Path) -> list[str]:
    return [w for w in re.split(r"(\d+)", path.name) if w]


def _by_name(folder: Path, paths: list[Path], angles: TiltAngles) -> Told:
    if angles.names is None:
        return angles.tilts_deg, angles.acquired
    lacking = [p.name for p in paths if p.name not in angles.names]
    if lacking:
        raise ConfigError(
            str(folder), [f"holds {lacking[0]}, whose tilt the .mdoc does not tell; list the tilts by hand"]
        )
    place = [angles.names.index(p.name) for p in paths]
    return angles.tilts_deg[place], None if angles.acquired is None else tuple(angles.acquired[k] for k in place)


def _from_headers(images: list[ForeignImages]) -> Told | None:
    told = [float(i.tilts_deg[0]) for i in images if i.tilts_deg is not None]
    if len(told) < len(images) or len(set(told)) == 1 < len(told):  # the latter of a stage that nobody asked
        return None
    return np.array(told), None


def _from_mdocs(folder: Path, paths: list[Path]) -> Told | None:
    """Of each image's own .mdoc, or of one that names them all."""
    found: dict[str, tuple[float, datetime | None]] = {}
    for path in sorted(folder.glob("*.mdoc")):
        angles = read_angles(path)
        names = angles.names or ((path.name.removesuffix(".mdoc"),) if len(angles.tilts_deg) == 1 else ())
        dates = angles.acquired or (None,) * len(names)
        found |= {n: (float(t), d) for n, t, d in zip(names, angles.tilts_deg, dates, strict=False)}
    if not {p.name for p in paths} <= set(found):
        return None
    entries = [found[p.name] for p in paths]
    dates_there = tuple(d for _, d in entries if d is not None)
    return np.array([t for t, _ in entries]), dates_there if len(dates_there) == len(entries) else None


def _from_names(folder: Path, paths: list[Path]) -> NDArray[np.float64]:
    """Of the numbers in the images' names the one that can only be the tilt."""
    words = (
        f"does not tell its images' tilts: neither their headers, nor .mdoc files, nor names such as {paths[0].name}"
    )
    refused = ConfigError(str(folder), [words + "; give a list of angles, in the order of the names"])
    numbers = [_numbers(p.stem) for p in paths]
    if len({len(n) for n in numbers}) != 1 or not numbers[0]:
        raise refused
    column = tilt_column(np.array([[value for value, _ in n] for n in numbers]), alone=False)
    if column is None or any(doubtful for _, doubtful in (n[column] for n in numbers)):
        raise refused
    return np.array([n[column][0] for n in numbers])


def _numbers(stem: str) -> list[tuple[float, bool]]:
    """Each number in a name, and whether a hyphen before it may be its sign or may be none."""
    found = []
    for match in _NUMBER.finditer(stem):
        before = stem[: match.start()]
        hyphen = match[0][0] == "-" and before[-1:].isalnum() and not _MARKED.search(before)
        found.append((float(match[0].lstrip("-+")) if hyphen else float(match[0]), hyphen))
    return found
