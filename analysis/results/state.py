"""One tilt series of one particle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from analysis.results.estimate import Estimate, ResultValue, in_digits
from analysis.results.result import Result, of_particle

RECONSTRUCTIONS_COMPARED = "reconstructions compared"
"""What a volume after some heat is wrong by besides all that the first one is."""


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
    volume_with_errors_nm3: Estimate | None = None
    """The same with its errors; older results have none."""
    surface_to_volume_per_nm: float | None = None
    aspect_ratio: float | None = None
    """Length over width, by second moments."""
    shape_change: float | None = None
    """Part of the volume that is elsewhere than before any heat, beyond what alloying makes seem so."""
    gold_fraction: float | None = None
    """Atomic fraction of the core's element over the whole particle."""
    gold_fraction_with_errors: Estimate | None = None
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
        if self.volume_with_errors_nm3 is None:
            return "-" if self.volume_nm3 is None else f"{self.volume_nm3:.4g}"
        return in_digits(self.volume_with_errors_nm3.value, self.volume_with_errors_nm3.total)

    @property
    def composition_in_words(self) -> str:
        """In at%, else as `volume_in_words`."""
        known = self.gold_fraction_with_errors
        if known is None:
            return "-" if self.gold_fraction is None else f"{100.0 * self.gold_fraction:.1f}"
        return in_digits(100.0 * known.value, 100.0 * known.total)

    def change_of_volume(self, first: StateResult) -> Estimate | None:
        """Since the first state, as a part of it.

        With the error that two states do not share; not a number in older results, which have none. Counting noise is
        not in it.
        """
        if not self.volume_nm3 or not first.volume_nm3:
            return None
        known = self.volume_with_errors_nm3
        own = math.nan if known is None else (known.budget or {}).get(RECONSTRUCTIONS_COMPARED, math.nan)
        return Estimate(self.volume_nm3 / first.volume_nm3 - 1.0, own / first.volume_nm3)

    @property
    def finished_step(self) -> str | None:
        return self.step

    def add_to(self, summary: dict[str, Any]) -> None:
        volume, gold = self.volume_with_errors_nm3, self.gold_fraction_with_errors
        states = of_particle(summary, self.particle)["states"]
        states[:] = [s for s in states if s["step"] != self.step]
        states.append(
            {
                "step": self.step,
                "heated_s": round(self.heated_s, 6),
                "alloying": None if self.alloying is None else self.alloying.in_full(),
                "alloying_by_spread": self.alloying_by_spread,
                "volume_nm3": self.volume_nm3,
                "volume_with_errors_nm3": None if volume is None else volume.in_full(),
                "surface_to_volume_per_nm": self.surface_to_volume_per_nm,
                "aspect_ratio": self.aspect_ratio,
                "shape_change": self.shape_change,
                "gold_fraction": self.gold_fraction,
                "gold_fraction_with_errors": None if gold is None else gold.in_full(),
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
        volume_std, gold_std = (
            None if known is None else known.total
            for known in (self.volume_with_errors_nm3, self.gold_fraction_with_errors)
        )
        yield ResultValue(self.particle, "volume", self.volume_nm3, volume_std, "nm3", at)
        yield ResultValue(self.particle, "gold_fraction", self.gold_fraction, gold_std, "1", at)

    def row(self) -> dict[str, object] | None:
        volume, gold = self.volume_with_errors_nm3, self.gold_fraction_with_errors
        return {
            "particle": self.particle,
            "step": self.step,
            "heated_s": self.heated_s,
            "alloying": "" if self.alloying is None else self.alloying.value,
            "alloying_std": "" if self.alloying is None else self.alloying.std,
            "alloying_std_systematic": None if self.alloying is None else self.alloying.std_systematic,
            "volume_nm3": self.volume_nm3,
            "volume_std_nm3": None if volume is None else volume.std,
            "volume_std_systematic_nm3": None if volume is None else volume.std_systematic,
            "gold_fraction": self.gold_fraction,
            "gold_fraction_std": None if gold is None else gold.std,
            "gold_fraction_std_systematic": None if gold is None else gold.std_systematic,
            "frames": self.frames,
            "quality": self.quality,
        }
