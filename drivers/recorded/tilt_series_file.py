"""A tilt series as somebody has it: one file of images, or a folder of them, and what tells the tilts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.recorded.foreign_images import ending_of, read_images
from drivers.recorded.image_folder import read_folder
from drivers.recorded.tilt_angles import ANGLE_ENDINGS, TiltAngles, check_tilts, read_angles

_LEAST_PX = 16


@dataclass(frozen=True, eq=False)
class ForeignSeries:
    """Images and what is known of each, in the order of the file, or of the files' names."""

    images: NDArray[np.generic]
    """(tilt, y, x) counts: integers or floats, finite, larger where it is brighter."""
    tilts_deg: NDArray[np.float64]
    """(tilt,) within +-180 deg."""
    pixel_nm: float | None = None
    """None where nothing tells it."""
    acquired: tuple[datetime, ...] | None = None
    """Of each image, in the microscope's local time; None where nothing tells it."""


def read_tilt_series(path: Path, angles: Path | None = None) -> ForeignSeries:
    """Read a tilt series as somebody has it, whatever the program that wrote it.

    Parameters
    ----------
    path : a stack (MRC, also packed, TIFF; with RosettaSciIO .hspy, .emd, .dm3, .dm4, .ser), or a folder of single
        images
    angles : list or table of tilts, or SerialEM's .mdoc; without it they are those in a file beside the stack
        (``a.mrc.mdoc``, ``a.mdoc``, ``a.rawtlt`` or ``a.tlt`` of ``a.mrc``), else those that the images' headers
        tell, else, in a folder, those in .mdoc files there or in the images' names

    Raises
    ------
    ConfigError
        With every problem found and what to do: no such file, damaged or cut short, no images, oblong pixels, tilts
        that cannot be told, or not as many of one as of the other.
    """
    if not path.exists():
        raise ConfigError(str(path), ["there is no such file; paths are relative to the file that names them"])
    angles = angles or (None if path.is_dir() else _beside(path))
    told = None if angles is None else read_angles(angles)
    found = read_folder(path, told) if path.is_dir() else read_images(path)
    problems = _stack_problems(found.data)
    if problems:
        raise ConfigError(str(path), problems)
    tilts_deg = found.tilts_deg if told is None or path.is_dir() else told.tilts_deg
    if tilts_deg is None:
        raise ConfigError(str(path), ["does not tell its tilts; give a list of them, in degrees, one per line"])
    if len(tilts_deg) != len(found.data):
        words = f"holds {len(tilts_deg)} angles, {path.name} holds {len(found.data)} images; give one angle per image"
        raise ConfigError(str(angles or path), [words])
    check_tilts(angles or path, tilts_deg)
    told = told or TiltAngles(tilts_deg)
    return ForeignSeries(found.data, tilts_deg, found.pixel_nm or told.pixel_nm, found.acquired or told.acquired)


def read_stack(path: Path) -> NDArray[np.generic]:
    """Read only the images (tilt, y, x) of a stack; raises `ConfigError` with what to do."""
    stack = read_images(path).data
    problems = _stack_problems(stack)
    if problems:
        raise ConfigError(str(path), problems)
    return stack


def _beside(path: Path) -> Path | None:
    """The file of tilts that comes with a stack by its name."""
    plain = path.with_name(path.name[: path.name.lower().rindex(ending_of(path))])
    names = [path.with_name(path.name + ".mdoc"), *(plain.with_name(plain.name + e) for e in ANGLE_ENDINGS)]
    return next((name for name in names if name.is_file()), None)


def _stack_problems(stack: NDArray[np.generic]) -> list[str]:
    if stack.size == 0:
        return ["the stack is empty; export it again"]
    if stack.ndim != 3:
        return [f"has shape {stack.shape}; a tilt series is (tilt, y, x)"]
    if stack.dtype.kind not in "uif":
        return [f"holds {stack.dtype} pixels; give integers or floats"]
    bad = [i for i, image in enumerate(stack) if not np.isfinite(image).all()]
    if bad:
        some = ", ".join(map(str, bad[:8])) + (" ..." if len(bad) > 8 else "")
        return [f"holds NaN or infinite pixels in image(s) {some} (from 0); remove those images and their angles"]
    if min(stack.shape[1:]) < _LEAST_PX:
        return [f"has images of {stack.shape[1]}x{stack.shape[2]} pixels; at least 16x16 are needed"]
    if float(stack.max()) == float(stack.min()):
        return ["every pixel has the same value; this is not an image"]
    return []
