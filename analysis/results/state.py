"""One tilt series of one particle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from analysis.results.estimate import Estimate, ResultValue
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
    surface_to_volume_per_nm: float | None = None
    aspect_ratio: float | None = None
    """Length over width, by second moments."""
    shape_change: float | None = None
    """Part of the volume that is elsewhere than before any heat, beyond what alloying makes seem so."""
    gold_fraction: float | None = None
    """Atomic fraction of the core's element over the whole particle."""
    quality: str
    simulated: bool
    shifts_px: tuple[tuple[float, float], ...] = ()
    """Alignment (y, x), in order of acquisition; rejected tilts excluded."""
    tilt_axis_deg: float = 0.0
    """The tilt axis from the images' x axis, counter-clockwise on the screen; taken out before the shifts."""
    analysis_s: float = 0.0

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
                "surface_to_volume_per_nm": self.surface_to_volume_per_nm,
                "aspect_ratio": self.aspect_ratio,
                "shape_change": self.shape_change,
                "gold_fraction": self.gold_fraction,
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
        volume = f", volume {self.volume_nm3:.0f} nm3" if self.volume_nm3 else ""
        gold = f", core element {100 * self.gold_fraction:.1f} at%" if self.gold_fraction else ""
        yield (
            f"{self.particle} after {self.heated_s:.4g} s: {degree}{volume}{gold}; "
            f"{self.frames}/{self.planned} tilts; {self.quality}"
        )
        yield from (f"  left out {r}" for r in self.rejected)

    def quantities(self) -> Iterator[ResultValue]:
        value, std = (self.alloying.value, self.alloying.total) if self.alloying else (None, None)
        at: dict[str, float | None] = {"heated_s": self.heated_s}
        yield ResultValue(self.particle, "alloying", value, std, "1", at)
        yield ResultValue(self.particle, "volume", self.volume_nm3, None, "nm3", at)
        yield ResultValue(self.particle, "gold_fraction", self.gold_fraction, None, "1", at)

    def row(self) -> dict[str, object] | None:
        return {
            "particle": self.particle,
            "step": self.step,
            "heated_s": self.heated_s,
            "alloying": "" if self.alloying is None else self.alloying.value,
            "alloying_std": "" if self.alloying is None else self.alloying.std,
            "alloying_std_systematic": None if self.alloying is None else self.alloying.std_systematic,
            "volume_nm3": self.volume_nm3,
            "gold_fraction": self.gold_fraction,
            "frames": self.frames,
            "quality": self.quality,
        }
