"""All images of a step, whatever number of files they were recorded in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.frames import FrameHeader
from drivers.recorded.folder import SessionFolder
from drivers.recorded.step_file import OnDamage, read_headers, read_step


@dataclass(frozen=True)
class StepImages:
    """One step in the order in which it was recorded."""

    name: str
    """As its file's: ``c03_NC2_tilt``."""
    headers: tuple[FrameHeader, ...]
    images: NDArray[np.generic]
    """(frame, y, x) digital counts."""

    @property
    def first(self) -> FrameHeader:
        return self.headers[0]

    @property
    def tilts_deg(self) -> NDArray[np.float64]:
        return np.array([h.tilt_deg for h in self.headers])

    @property
    def pixel_nm(self) -> float:
        return self.first.pixel_nm

    @property
    def is_map(self) -> bool:
        """Of X-rays; the images are the HAADF ones that came with them."""
        return self.first.spectrum is not None

    @property
    def label(self) -> str:
        """For headers with room for 80 letters."""
        simulated = "SIMULATED, " if self.first.simulated else ""
        return f"Alloyscope: {simulated}{self.first.step}"[:80]


def files_by_step(folder: SessionFolder) -> dict[str, list[Path]]:
    """Files that hold frames, by the step they are of, in recorded order."""
    found = [(headers[0].seq, headers[0].step, p) for p in folder.frames.glob("*.h5") if (headers := read_headers(p))]
    steps: dict[str, list[Path]] = {}
    for _, step, path in sorted(found):
        steps.setdefault(step, []).append(path)
    return steps


def steps_in(folder: SessionFolder, on_damage: OnDamage | None = None) -> Iterator[StepImages]:
    """Step after step; damaged frames as in `read_step`.

    Raises
    ------
    ConfigError
        For a file that cannot be read, and for a step whose pixel size or field changed.
    """
    for step, paths in files_by_step(folder).items():
        frames = [frame for path in paths for frame in read_step(path, on_damage)]
        if not frames:
            continue
        if len({(f.header.pixel_nm, f.image.shape, f.image.dtype) for f in frames}) > 1:
            words = "was recorded with two pixel sizes or fields, which no stack can hold; export its files one by one"
            raise ConfigError(str(folder.path), [f"{step} {words}"])
        headers = tuple(f.header for f in frames)
        yield StepImages(folder.step_file(step).stem, headers, np.stack([f.image for f in frames]))
