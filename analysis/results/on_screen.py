"""What is for the screen only: a later one takes its place, and no file keeps it."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.results.estimate import Estimate, ResultValue
from analysis.results.result import Result


class OnScreen(Result, frozen=True, kw_only=True):
    """Base of the passing kinds."""

    @property
    def place(self) -> tuple[str, ...]:
        return (type(self).__name__,)

    @property
    def passing(self) -> bool:
        return True


class Preview(OnScreen, frozen=True, kw_only=True, tag="preview"):
    """An orthoslice of the running reconstruction, at the end of the finished one, for the screen only."""

    step: str
    particle: str
    frames: int
    shape: tuple[int, int]
    pixels: bytes
    """uint8, (z, y)"""
    pixel_nm: float = 0.0
    """Of this picture; 0 where it is not known."""

    def without_pictures(self) -> None:
        return None


class Outlined(OnScreen, frozen=True, kw_only=True, tag="outlined"):
    """The particles in the last frame, for the screen only."""

    step: str
    particle: str
    frame: int
    found: int
    touching: int
    cut: int
    """By the edge of the field."""
    diameter_nm: Estimate | None
    """Of the one nearest to the middle."""
    happened: tuple[str, ...]
    """To particles since the frame before: new, lost, merged."""
    shape: tuple[int, int]
    rims: bytes
    """uint8 (y, x), as large as the thumbnail of the frame: 1 where an outline runs."""

    def quantities(self) -> Iterator[ResultValue]:
        if self.diameter_nm is not None:
            yield ResultValue(self.particle, "diameter", self.diameter_nm.value, self.diameter_nm.std, "nm")

    def without_pictures(self) -> None:
        return None

    def remarks(self) -> Iterator[str]:
        yield from (f"{self.step}: {words}" for words in self.happened)


class Provisional(OnScreen, frozen=True, kw_only=True, tag="provisional"):
    """The degree of alloying from the tilts so far, for the screen only."""

    step: str
    particle: str
    frames: int
    alloying: Estimate
    simulated: bool

    def quantities(self) -> Iterator[ResultValue]:
        at: dict[str, float | None] = {"frames": self.frames}
        yield ResultValue(self.particle, "alloying_so_far", self.alloying.value, self.alloying.total, "1", at)
