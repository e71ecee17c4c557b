"""The law of all particles together, and how much the windows' temperatures differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from analysis.results.estimate import Estimate, ResultValue, finite
from analysis.results.result import Result


class WindowOffset(msgspec.Struct, frozen=True):
    """How much warmer a window truly is than the reference window, the nominal temperature being the same."""

    value: float
    std: float
    low: float
    high: float
    """68 % interval by profile likelihood."""
    sigmas: float
    """How surely it is not zero, by noise."""
    budget_c: dict[str, float] = msgspec.field(default_factory=dict)
    """Systematic standard deviations, by cause."""

    @property
    def std_systematic(self) -> float:
        return math.hypot(*self.budget_c.values())

    @property
    def total(self) -> float:
        """Both standard deviations together."""
        return math.hypot(self.std, self.std_systematic)


class Arrhenius(Result, frozen=True, kw_only=True, tag="arrhenius"):
    """``D = D0 exp(-Q / R T)`` of all particles together, and the windows' temperatures."""

    q_j_per_mol: Estimate
    d0_m2_per_s: Estimate
    reference: str
    """The window whose nominal temperature is taken for true."""
    offsets_c: dict[str, WindowOffset]
    q_budget_j_per_mol: dict[str, float] = msgspec.field(default_factory=dict)
    """Systematic standard deviations of Q, by cause."""
    misfit: float
    """Squared misses per degree of freedom."""
    simulated: bool

    @property
    def q_std_systematic(self) -> float:
        """J/mol."""
        return math.hypot(*self.q_budget_j_per_mol.values())

    @property
    def identity(self) -> object:
        return repr(self)

    def add_to(self, summary: dict[str, Any]) -> None:
        offsets: dict[str, dict[str, Any]] = msgspec.to_builtins(self.offsets_c)
        summary["window_offsets_c"] = {
            w: {k: v if isinstance(v, dict) else finite(v) for k, v in d.items()}
            | {"std_systematic": self.offsets_c[w].std_systematic}
            for w, d in offsets.items()
        }
        summary["arrhenius"] = {
            "q_j_per_mol": msgspec.to_builtins(self.q_j_per_mol)
            | {"std_systematic": self.q_std_systematic, "budget": self.q_budget_j_per_mol},
            "d0_m2_per_s": msgspec.to_builtins(self.d0_m2_per_s),
            "reference": self.reference,
        }

    def quantities(self) -> Iterator[ResultValue]:
        for window, d in self.offsets_c.items():
            at: dict[str, float | None] = {"low_c": d.low, "high_c": d.high}
            yield ResultValue("windows", f"{window}_offset", d.value, d.total, "C", at)
        q = self.q_j_per_mol
        yield ResultValue("windows", "activation_energy", q.value, math.hypot(q.std, self.q_std_systematic), "J/mol")

    def words(self) -> Iterator[str]:
        for window, d in self.offsets_c.items():
            size = _told(d.value if d.sigmas < 2.0 else abs(d.value), d.std, d.std_systematic)
            if d.sigmas < 2.0:
                yield (
                    f"no difference between windows {window} and {self.reference} is seen: "
                    f"{size} C ({d.sigmas:.1f} sigma)"
                )
            else:
                way = "colder" if d.value < 0 else "warmer"
                yield f"window {window} is {size} C {way} than {self.reference}; {d.sigmas:.1f} sigma"
        q = (1e-3 * v for v in (self.q_j_per_mol.value, self.q_j_per_mol.std, self.q_std_systematic))
        yield f"activation energy {_told(*q)} kJ/mol"


def _told(value: float, std: float, systematic: float) -> str:
    return Estimate(value, std, {"all": systematic}).both
