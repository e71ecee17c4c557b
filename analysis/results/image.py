"""One image of one particle, and the temperature at which alloying began to be seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from analysis.results.estimate import Estimate, ResultValue
from analysis.results.result import Result, of_particle


class Onset(msgspec.Struct, frozen=True):
    """Between which temperatures alloying began to be seen."""

    below_c: float | None
    """The hottest stair without; None when the first one had it already."""
    above_c: float
    """The first stair with it."""

    @property
    def estimate_c(self) -> Estimate | None:
        """The middle, and the standard deviation of what lies evenly between."""
        if self.below_c is None:
            return None
        return Estimate(0.5 * (self.below_c + self.above_c), (self.above_c - self.below_c) / math.sqrt(12.0))

    def __str__(self) -> str:
        if self.below_c is None:
            return f"alloying began at or below {self.above_c:g} C"
        return f"alloying began between {self.below_c:g} and {self.above_c:g} C"


class ImageResult(Result, frozen=True, kw_only=True, tag="image"):
    """One image of one particle, compared with its first one."""

    step: str
    particle: str
    heated_c: float | None
    """The highest temperature so far; None before any heat."""
    heated_s: float
    contrast_lost: Estimate | None
    """Part of the contrast inside the particle that is gone."""
    onset: Onset | None
    """None while no loss of contrast is seen."""
    quality: str
    simulated: bool

    @property
    def subject(self) -> tuple[str, ...] | None:
        return ("onset", self.particle)

    @property
    def finished_step(self) -> str | None:
        return self.step

    def add_to(self, summary: dict[str, Any]) -> None:
        entry = of_particle(summary, self.particle)
        entry.setdefault("images", []).append(
            {
                "step": self.step,
                "heated_c": self.heated_c,
                "contrast_lost": None if self.contrast_lost is None else msgspec.to_builtins(self.contrast_lost),
                "quality": self.quality,
            }
        )
        entry.pop("onset_c", None)
        if self.onset is not None:
            entry["onset_c"] = {"above": self.onset.above_c, "below": self.onset.below_c}
            if self.onset.estimate_c is not None:
                entry["onset_c"] |= msgspec.to_builtins(self.onset.estimate_c)

    def quantities(self) -> Iterator[ResultValue]:
        value, std = (self.contrast_lost.value, self.contrast_lost.std) if self.contrast_lost else (None, None)
        yield ResultValue(self.particle, "contrast_lost", value, std, "1", {"heated_c": self.heated_c})
        if self.onset is not None:
            middle, between = self.onset.estimate_c, {"below_c": self.onset.below_c, "above_c": self.onset.above_c}
            value, std = (middle.value, middle.std) if middle else (None, None)
            yield ResultValue(self.particle, "onset", value, std, "C", between)

    def remarks(self) -> Iterator[str]:
        if self.quality != "good":
            yield f"{self.step}: {self.quality}"

    def words(self) -> Iterator[str]:
        heated = "before any heat" if self.heated_c is None else f"after {self.heated_c:g} C"
        lost = f"contrast lost {self.contrast_lost}" if self.contrast_lost else "not compared"
        onset = "" if self.onset is None else f"; {self.onset}"
        yield f"{self.particle} {heated}: {lost}{onset}; {self.quality}"

    def closing_words(self, truth: Mapping[str, Any]) -> Iterator[str]:
        unseen = "no alloying was seen in the images" if self.contrast_lost else f"no onset; {self.quality}"
        yield f"{self.particle}: {self.onset or unseen}"
