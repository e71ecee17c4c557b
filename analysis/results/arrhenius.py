"""The law of all particles together, and how much the windows' temperatures differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from analysis.results.estimate import Estimate, ResultValue, finite, pretty
from analysis.results.result import Result


class WindowOffset(msgspec.Struct, frozen=True):
    """How much warmer a window truly is than the reference window, the nominal temperature being the same."""

    value: float
    std: float
    low: float
    high: float
    """68 % interval by profile likelihood."""
    sigmas: float
    """How surely it is not zero."""


class Arrhenius(Result, frozen=True, kw_only=True, tag="arrhenius"):
    """``D = D0 exp(-Q / R T)`` of all particles together, and the windows' temperatures."""

    q_j_per_mol: Estimate
    d0_m2_per_s: Estimate
    reference: str
    """The window whose nominal temperature is taken for true."""
    offsets_c: dict[str, WindowOffset]
    misfit: float
    """Squared misses per degree of freedom."""
    simulated: bool

    @property
    def identity(self) -> object:
        return repr(self)

    def add_to(self, summary: dict[str, Any]) -> None:
        offsets: dict[str, dict[str, float]] = msgspec.to_builtins(self.offsets_c)
        summary["window_offsets_c"] = {w: {k: finite(v) for k, v in d.items()} for w, d in offsets.items()}
        summary["arrhenius"] = {
            "q_j_per_mol": msgspec.to_builtins(self.q_j_per_mol),
            "d0_m2_per_s": msgspec.to_builtins(self.d0_m2_per_s),
            "reference": self.reference,
        }

    def quantities(self) -> Iterator[ResultValue]:
        for window, d in self.offsets_c.items():
            at: dict[str, float | None] = {"low_c": d.low, "high_c": d.high}
            yield ResultValue("windows", f"{window}_offset", d.value, d.std, "C", at)
        yield ResultValue("windows", "activation_energy", self.q_j_per_mol.value, self.q_j_per_mol.std, "J/mol")

    def words(self) -> Iterator[str]:
        for window, d in self.offsets_c.items():
            if d.sigmas < 2.0:
                yield (
                    f"no difference between windows {window} and {self.reference} is seen: "
                    f"{pretty(d.value, d.std)} C ({d.sigmas:.1f} sigma)"
                )
            else:
                yield (
                    f"window {window} is {pretty(abs(d.value), d.std)} C {'colder' if d.value < 0 else 'warmer'} than "
                    f"{self.reference}; {d.sigmas:.1f} sigma"
                )
        yield f"activation energy {pretty(1e-3 * self.q_j_per_mol.value, 1e-3 * self.q_j_per_mol.std)} kJ/mol"
