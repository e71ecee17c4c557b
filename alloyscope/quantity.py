"""A number as every result gives it: value, one standard deviation, unit, and its quality in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from alloyscope.card import card


@dataclass(frozen=True)
class Quantity:
    """A value with one standard deviation; both None where nothing could be told, and `quality` says why.

    Examples
    --------
    >>> from alloyscope.quantity import Quantity
    >>> print(Quantity(2.4137e-19, 5.2e-21, "m2/s", "good"))
    (2.414 +- 0.052)e-19 m2/s
    >>> print(Quantity(None, None, "m2/s", "poor: only 2 usable tilts"))
    unknown (poor: only 2 usable tilts)
    """

    value: float | None
    std: float | None
    unit: str
    quality: str

    @property
    def good(self) -> bool:
        return self.quality == "good"

    def __str__(self) -> str:
        if self.value is None:
            return f"unknown ({self.quality})"
        from analysis.results import pretty

        text = f"{self.value:.4g}" if self.std is None else pretty(self.value, self.std)
        return text if self.unit == "1" else f"{text} {self.unit}"

    def _repr_html_(self) -> str:
        return card("", [("value", str(self))], quality=self.quality)


def told(value: float | None, std: float | None, unit: str, quality: str) -> Quantity:
    """A quantity; without a value where it or its error is not a finite number."""
    if value is None or not math.isfinite(value) or (std is not None and not math.isfinite(std)):
        return Quantity(None, None, unit, quality if quality != "good" else "poor: not determined by these data")
    return Quantity(float(value), None if std is None else float(std), unit, quality)


def quality_of(problems: Sequence[str]) -> str:
    """``good``, or ``poor:`` with every problem, as the analysis says it."""
    return "good" if not problems else "poor: " + "; ".join(dict.fromkeys(problems))
