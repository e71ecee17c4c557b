"""Tilt series as files: MRC or TIFF stacks with a list of angles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.recorded.foreign_stack import MRC_ENDINGS, TIFF_ENDINGS, read_mrc, read_tiff

STACK_ENDINGS = (*TIFF_ENDINGS, *MRC_ENDINGS)
_STEEPEST_DEG = 90.0


def read_stack(path: Path) -> NDArray[np.generic]:
    """Read a stack (tilt, y, x); raises `ConfigError` with what to do."""
    if not path.is_file():
        raise ConfigError(str(path), ["there is no such file; paths are relative to the file that names them"])
    if path.suffix.lower() in TIFF_ENDINGS:
        stack = read_tiff(path)
    elif path.suffix.lower() in MRC_ENDINGS:
        stack, _ = read_mrc(path)
    else:
        words = f"{path.suffix or 'no'} extension; give an MRC (.mrc .st) or a TIFF (.tif) stack"
        raise ConfigError(str(path), [words])
    problems = _stack_problems(stack)
    if problems:
        raise ConfigError(str(path), problems)
    return stack


def read_angles(path: Path) -> NDArray[np.float64]:
    """Read tilts in degrees: one per line, or the last numeric column of a csv with an optional header."""
    if not path.is_file():
        raise ConfigError(str(path), ["there is no such file; write one tilt in degrees per line"])
    angles: list[float] = []
    problems: list[str] = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        fields = line.replace(",", " ").replace(";", " ").split()
        if not fields or fields[0].startswith("#"):
            continue
        try:
            angles.append(float(fields[-1]))
        except ValueError:
            if number > 1:
                problems.append(f"line {number}: {line.strip()!r} is not a tilt in degrees")
    out = np.array(angles)
    if len(out) and not np.isfinite(out).all():
        problems.append("holds angles that are not numbers; write one tilt in degrees per line")
    elif len(out) and np.abs(out).max() > _STEEPEST_DEG:
        problems.append(f"holds a tilt of {out[np.abs(out).argmax()]:g} deg; tilts lie within +-90 deg")
    if problems:
        raise ConfigError(str(path), problems[:20])
    return out


def read_tilt_series(stack_path: Path, angles_path: Path) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Read a stack and its angles and check that they belong together."""
    stack, angles = read_stack(stack_path), read_angles(angles_path)
    if len(angles) != len(stack):
        raise ConfigError(
            str(angles_path),
            [f"holds {len(angles)} angles, {stack_path.name} holds {len(stack)} images; give one angle per image"],
        )
    return stack, angles


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
    if min(stack.shape[1:]) < 16:
        return [f"has images of {stack.shape[1]}x{stack.shape[2]} pixels; at least 16x16 are needed"]
    if float(stack.max()) == float(stack.min()):
        return ["every pixel has the same value; this is not an image"]
    return []
