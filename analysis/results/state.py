"""One tilt series of one particle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from analysis.results.estimate import Estimate, ResultValue, pretty
from analysis.results.result import Result, of_particle


class StateResult(Result, frozen=True, kw_only=True, tag="state"):
    """One tilt series of one particle."""

    step: str
    particle: str
    state: int
    """0 = before any heat."""
    heated_s: float
    """Total time at temperature so far."""
    frames: int
    planned: int
    rejected: tuple[str, ...] = ()
    """Tilts left out, each with the reason."""
    alloying: Estimate | None = None
    alloying_by_spread: dict[str, float] = msgspec.field(default_factory=dict)
    """The degree of alloying by each measure of spread: std, variance, mad, iqr, histogram."""
    volume_nm3: float | None = None
    volume: Estimate | None = None
    """The same with its errors; older results have none."""
    surface_to_volume_per_nm: float | None = None
    aspect_ratio: float | None = None
    """Length over width, by second moments."""
    shape_change: float | None = None
    """Part of the volume that is elsewhere than before any heat, beyond what alloying makes seem so."""
    gold_fraction: float | None = None
    """Atomic fraction of the core's element over the whole particle."""
    composition: Estimate | None = None
    """The same with its errors; older results have none."""
    quality: str
    simulated: bool
    shifts_px: tuple[tuple[float, float], ...] = ()
    """Alignment (y, x), in order of acquisition; rejected tilts excluded."""
    tilt_axis_deg: float = 0.0
    """The tilt axis from the images' x axis, counter-clockwise on the screen; taken out before the shifts."""
    analysis_s: float = 0.0

    @property
    def volume_in_words(self) -> str:
        """In nm3, with its total standard deviation where that is known; a stroke for none."""
        if self.volume is None:
            return "-" if self.volume_nm3 is None else f"{self.volume_nm3:.4g}"
        return str(self.volume)

    @property
    def composition_in_words(self) -> str:
        """In at%, else as `volume_in_words`."""
        if self.composition is None:
            return "-" if self.gold_fraction is None else f"{100.0 * self.gold_fraction:.1f}"
        return pretty(100.0 * self.composition.value, 100.0 * self.composition.total)

    def change_of_volume(self, first: StateResult) -> Estimate | None:
        """Since the first state, as a part of it; what both have of errors cancels, and older results have none."""
        if not self.volume_nm3 or not first.volume_nm3:
            return None
        change = self.volume_nm3 / first.volume_nm3 - 1.0
        if self.volume is None or first.volume is None:
            return Estimate(change, math.nan)
        shared = first.volume.budget or {}
        own = [std for cause, std in (self.volume.budget or {}).items() if cause not in shared]
        return Estimate(change, math.hypot(*own) / first.volume_nm3)

    @property
    def finished_step(self) -> str | None:
        return self.step

    def add_to(self, summary: dict[str, Any]) -> None:
        states = of_particle(summary, self.particle)["states"]
        states[:] = [s for s in states if s["step"] != self.step]
        states.append(
            {
                "step": self.step,
                "heated_s": round(self.heated_s, 6),
                "alloying": None if self.alloying is None else self.alloying.in_full(),
                "alloying_by_spread": self.alloying_by_spread,
                "volume_nm3": self.volume_nm3,
                "volume": None if self.volume is None else self.volume.in_full(),
                "surface_to_volume_per_nm": self.surface_to_volume_per_nm,
                "aspect_ratio": self.aspect_ratio,
                "shape_change": self.shape_change,
                "gold_fraction": self.gold_fraction,
                "composition": None if self.composition is None else self.composition.in_full(),
                "frames": self.frames,
                "rejected": list(self.rejected),
                "quality": self.quality,
            }
        )

    def remarks(self) -> Iterator[str]:
        if self.quality != "good":
            yield f"{self.step}: {self.quality}"

    def words(self) -> Iterator[str]:
        degree = f"alloying {self.alloying.both}" if self.alloying else "no alloying degree"
        volume = f", volume {self.volume_in_words} nm3" if self.volume_nm3 else ""
        gold = f", core element {self.composition_in_words} at%" if self.gold_fraction else ""
        yield (
            f"{self.particle} after {self.heated_s:.4g} s: {degree}{volume}{gold}; "
            f"{self.frames}/{self.planned} tilts; {self.quality}"
        )
        yield from (f"  left out {r}" for r in self.rejected)

    def quantities(self) -> Iterator[ResultValue]:
        value, std = (self.alloying.value, self.alloying.total) if self.alloying else (None, None)
        at: dict[str, float | None] = {"heated_s": self.heated_s}
        yield ResultValue(self.particle, "alloying", value, std, "1", at)
        yield ResultValue(self.particle, "volume", self.volume_nm3, _total(self.volume), "nm3", at)
        yield ResultValue(self.particle, "gold_fraction", self.gold_fraction, _total(self.composition), "1", at)

    def row(self) -> dict[str, object] | None:
        return {
            "particle": self.particle,
            "step": self.step,
            "heated_s": self.heated_s,
            "alloying": "" if self.alloying is None else self.alloying.value,
            "alloying_std": "" if self.alloying is None else self.alloying.std,
            "alloying_std_systematic": None if self.alloying is None else self.alloying.std_systematic,
            "volume_nm3": self.volume_nm3,
            "volume_std_nm3": None if self.volume is None else self.volume.std,
            "volume_std_systematic_nm3": None if self.volume is None else self.volume.std_systematic,
            "gold_fraction": self.gold_fraction,
            "gold_fraction_std": None if self.composition is None else self.composition.std,
            "gold_fraction_std_systematic": None if self.composition is None else self.composition.std_systematic,
            "frames": self.frames,
            "quality": self.quality,
        }


def _total(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.total
