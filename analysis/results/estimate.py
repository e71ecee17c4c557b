"""A value with one standard deviation, and how it is written."""

from __future__ import annotations

import math

import msgspec

_NEXT_TO_NOTHING = 0.005
_LEAST_EXPONENT = -300
"""Of ten, in double precision."""


class Estimate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value and its standard deviation, and besides what more counts would not lower, by cause."""

    value: float
    std: float
    budget: dict[str, float] | None = None
    """Standard deviations by systematic cause, in the value's unit; None where `std` is all, as in older results."""

    @property
    def std_systematic(self) -> float | None:
        return None if self.budget is None else math.hypot(*self.budget.values())

    @property
    def total(self) -> float:
        """Standard deviation by all that is known to be unknown."""
        return math.hypot(self.std, self.std_systematic or 0.0)

    @property
    def both(self) -> str:
        """With both standard deviations, where there are two."""
        systematic = self.std_systematic
        if systematic is None or systematic <= _NEXT_TO_NOTHING * self.std:
            return str(self)
        return pretty_both(self.value, self.std, systematic)

    def in_full(self) -> dict[str, object]:
        """As plain data, with the systematic standard deviation where there is one."""
        told: dict[str, object] = {"value": self.value, "std": self.std}
        if self.budget is None:
            return told
        causes = [{"cause": cause, "std": std} for cause, std in self.budget.items()]
        return told | {"std_systematic": self.std_systematic, "budget": causes}

    def __str__(self) -> str:
        return pretty(self.value, self.total)


class ResultValue(msgspec.Struct, frozen=True):
    """One number of a result, for those who plot numbers."""

    of: str
    """The particle, or ``windows``."""
    name: str
    value: float | None
    std: float | None
    unit: str
    at: dict[str, float | None] = {}
    """What else it holds for, such as a temperature."""


def pretty_both(value: float, std: float, systematic: float) -> str:
    """Value with both standard deviations: ``(2.41 +- 0.01 (stat) +- 0.27 (syst))e-19``."""
    if not all(math.isfinite(v) for v in (value, std, systematic)):
        return f"{value:g} +- {std:g} (stat) +- {systematic:g} (syst)"
    size = max(abs(value), std, systematic)
    exponent = max(_LEAST_EXPONENT, math.floor(math.log10(size))) if size > 0 else 0
    if -3 <= exponent < 4:
        exponent = 0
    scale = 10.0**exponent
    # Of two errors one that is next to nothing must not ask for digits of the other.
    told = [s for s in (std, systematic, size) if s > _NEXT_TO_NOTHING * max(std, systematic)]
    least = min(told) if size > 0 else 1.0
    digits = min(6, max(0, 1 - math.floor(math.log10(least / scale))))
    text = f"{value / scale:.{digits}f} +- {std / scale:.{digits}f} (stat) +- {systematic / scale:.{digits}f} (syst)"
    return text if exponent == 0 else f"({text})e{exponent:d}"


def pretty(value: float, std: float) -> str:
    """Value +- std with one common power of ten: ``(2.41 +- 0.05)e-19``."""
    if not (math.isfinite(value) and math.isfinite(std)):
        return f"{value:g} +- {std:g}"
    size = max(abs(value), std)
    exponent = max(_LEAST_EXPONENT, math.floor(math.log10(size))) if size > 0 else 0
    if -3 <= exponent < 4:
        exponent = 0
    scale = 10.0**exponent
    digits = 2 if std <= 0 else min(6, max(0, 1 - math.floor(math.log10(std / scale))))
    text = f"{value / scale:.{digits}f} +- {std / scale:.{digits}f}"
    return text if exponent == 0 else f"({text})e{exponent:d}"


def in_digits(value: float, std: float) -> str:
    """Value +- std with all its digits, to two of the error's: ``148200 +- 5200``, ``23.98 +- 0.23``."""
    if not (math.isfinite(value) and math.isfinite(std)) or std <= 0.0:
        return f"{value:.4g} +- {std:.2g}"
    digits = 1 - math.floor(math.log10(std))
    rounded = (round(v, digits) for v in (value, std))
    return " +- ".join(f"{v:.{max(0, digits)}f}" for v in rounded)


def finite(value: float | None) -> float | None:
    """JSON has no infinity: what is not known has no number."""
    return value if value is not None and math.isfinite(value) else None
