"""An EDX map, or what there is of it so far."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Self

import msgspec

from analysis.results.estimate import Estimate, ResultValue
from analysis.results.result import Result, of_particle


class EdxResult(Result, frozen=True, kw_only=True, tag="edx"):
    """An EDX map, or what there is of it so far."""

    step: str
    particle: str
    tilt_deg: float
    heated_c: float | None
    """The highest temperature so far; None before any heat."""
    heated_s: float
    frames: int
    planned: int
    """At most."""
    final: bool
    composition_at_pct: dict[str, Estimate]
    """Of the particles in the map, by element; empty when no line has counts."""
    drift_nm: float
    """How far the field wandered while the map was taken; taken out."""
    report: dict[str, Any]
    """All that it told, as ``alloyscope edx --json`` writes it."""
    details: tuple[str, ...]
    """What it told, one fact each."""
    spectrum: tuple[float, ...]
    """Counts of all pixels, in channels of `channel_kev` from `offset_kev`."""
    offset_kev: float
    channel_kev: float
    picture_shape: tuple[int, int]
    pictures: dict[str, bytes]
    """uint8 (y, x): the HAADF image and each line's counts."""
    quality: str
    simulated: bool
    analysis_s: float

    @property
    def known_at_pct(self) -> float:
        """Error of the worst-known element."""
        return max((e.total for e in self.composition_at_pct.values()), default=math.inf)

    @property
    def headline(self) -> str:
        """Composition, and when the map was taken."""
        heated = "before any heat" if self.heated_c is None else f"after {self.heated_c:g} C"
        each = [f"{element} {estimate} at%" for element, estimate in self.composition_at_pct.items()]
        return f"{heated}: {', '.join(each) or 'no composition'}"

    @property
    def passing(self) -> bool:
        return not self.final

    @property
    def finished_step(self) -> str | None:
        return self.step if self.final else None

    def add_to(self, summary: dict[str, Any]) -> None:
        maps = of_particle(summary, self.particle).setdefault("edx", [])
        told = {"step": self.step, "tilt_deg": self.tilt_deg, "frames": self.frames}
        maps.append(told | {"heated_s": self.heated_s, "quality": self.quality} | self.report)

    def quantities(self) -> Iterator[ResultValue]:
        at: dict[str, float | None] = {"tilt_deg": self.tilt_deg, "heated_s": self.heated_s, "frames": self.frames}
        for element, estimate in self.composition_at_pct.items():
            yield ResultValue(self.particle, f"{element}_fraction", estimate.value, estimate.total, "at%", at)

    def without_pictures(self) -> Self:
        return msgspec.structs.replace(self, pictures={})

    def remarks(self) -> Iterator[str]:
        if self.final and self.quality != "good":
            yield f"{self.step}: {self.quality}"

    def words(self) -> Iterator[str]:
        if self.final:
            yield f"{self.particle} {self.headline}; {self.frames}/{self.planned} frames; {self.quality}"
            yield from (f"  {line}" for line in self.details)
