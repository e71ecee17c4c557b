"""D of one particle: per temperature, interval by interval, and where asked for with composition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from analysis.results.estimate import Estimate, ResultValue, finite, pretty, pretty_both
from analysis.results.result import Result, of_particle
from drivers.units import counted

TEMPERATURE_CALIBRATION = "temperature calibration"
_LARGEST = 4
"""Causes of a systematic error that are named at the end."""
_TRUTH_C = 450.0
"""Of the D that a twin tells of its particles."""


class Share(msgspec.Struct, frozen=True):
    """What one cause has in a systematic error."""

    cause: str
    part: float
    """Standard deviation over the value."""


class Diffusivity(msgspec.Struct, frozen=True):
    temperature_c: float
    value: float
    std: float
    """m2/s; statistical: by counting noise alone."""
    std_systematic: float = 0.0
    """m2/s; by all that counting longer does not help."""
    budget: tuple[Share, ...] = ()
    """Of the systematic error, the largest first."""
    bound: float | None = None
    """The least std that counting noise allows (Cramer-Rao), the particle unknown as well; m2/s."""

    @property
    def total(self) -> float:
        """Both standard deviations together, m2/s."""
        return math.hypot(self.std, self.std_systematic)

    @property
    def without_temperature(self) -> float:
        """The same but for the temperature's calibration, which particles of one session share, m2/s."""
        shared = sum(s.part**2 for s in self.budget if s.cause == TEMPERATURE_CALIBRATION)
        return math.sqrt(max(self.total**2 - shared * self.value**2, 0.0)) if math.isfinite(self.total) else self.total

    def __str__(self) -> str:
        if not self.std_systematic:
            return pretty(self.value, self.std)
        return pretty_both(self.value, self.std, self.std_systematic)

    @property
    def known(self) -> bool:
        """A number with an error; otherwise D is only bounded, or nothing was told."""
        return math.isfinite(self.value) and math.isfinite(self.std) and self.value > 0.0


class DiffusivityOfComposition(msgspec.Struct, frozen=True):
    """``ln D(c) = ln D + ln_slope (c - f) + 4 ln_peak (c (1 - c) - f (1 - f))``.

    c is the atomic fraction of the core's element, f that of the whole particle, at which D holds.
    """

    ln_slope: Estimate
    ln_peak: Estimate
    """Of ln D at equal parts above that of the pure metals: a thermodynamic factor makes one."""
    gold_fraction: float
    """f."""
    told: bool
    """Whether it explains more than noise, and D is that with it; else D is that of no change with composition."""


class IntervalDiffusivity(msgspec.Struct, frozen=True):
    """D between two neighbouring states alone (Chen et al., Part. Part. Syst. Charact. 2023)."""

    temperature_c: float
    from_s: float
    to_s: float
    """Total time at temperature."""
    value: float
    std: float
    """m2/s"""


class DiffusivityResult(Result, frozen=True, kw_only=True, tag="diffusivity"):
    """D of one particle from all its states so far."""

    particle: str
    window: str = "centre"
    states: int
    diffusivities: tuple[Diffusivity, ...]
    """Maximum likelihood of the projections."""
    by_curve: tuple[Diffusivity, ...] = ()
    """From the alloying curve, the published way (Mychinko et al., Small 2021, Methods)."""
    heated_s: tuple[float, ...]
    measured: tuple[Estimate, ...]
    """Alloying degree per state."""
    uncorrected: tuple[float, ...] = ()
    """The same with the last state taken for fully alloyed: no simulated reference (Mychinko et al., Figure S8)."""
    d_of_c: DiffusivityOfComposition | None = None
    """Where the states tell it."""
    by_interval: tuple[IntervalDiffusivity, ...] = ()
    seconds: tuple[float, ...] = ()
    """Total time at each of the temperatures of `diffusivities`."""
    tau_nm2: tuple[float, ...] = ()
    tau_ln_std: tuple[float, ...] = ()
    """tau = D t as each state that told it showed, and the standard deviation of its logarithm."""
    course_tau_nm2: tuple[float, ...] = ()
    course_degree: tuple[float, ...] = ()
    course_measured: tuple[float, ...] = ()
    """The degree of alloying to come, as simulated for this particle: of the metals themselves, and as measured. Blur
    makes the two differ by some per cent."""
    curve_s: tuple[float, ...]
    curve: tuple[float, ...]
    """The fitted alloying curve, for drawing."""
    quality: str
    taken_into_account: tuple[str, ...] = ()
    """What is not as in a book, was told by the projections and is in the model."""
    simulated: bool

    @property
    def place(self) -> tuple[str, ...]:
        return ("diffusivity", self.particle)

    @property
    def identity(self) -> object:
        return *self.place, self.states

    @property
    def subject(self) -> tuple[str, ...] | None:
        return self.place

    def add_to(self, summary: dict[str, Any]) -> None:
        entry, values = of_particle(summary, self.particle), _plain(self.diffusivities)
        if self.d_of_c is not None:
            entry["d_of_c"] = msgspec.to_builtins(self.d_of_c)
        entry["diffusivities_by_curve"] = _plain(self.by_curve)
        entry["alloying_uncorrected"] = list(self.uncorrected)
        entry["diffusivities_by_interval"] = _plain(self.by_interval)
        entry["diffusivity_quality"] = self.quality
        entry["taken_into_account"] = list(self.taken_into_account)
        entry["diffusivities"] = values
        entry.pop("diffusivity_m2_per_s", None)
        if len(values) == 1 and self.diffusivities[0].known:
            entry["diffusivity_m2_per_s"] = {k: values[0][k] for k in ("value", "std", "std_systematic")}

    def words(self) -> Iterator[str]:
        for d in self.diffusivities:
            what = f"= {d} m2/s" if d.known else "is not known"
            states = counted(self.states, "state")
            yield f"{self.particle}: D({d.temperature_c:g} C) {what} from {states} after heat; {self.quality}"
        if self.d_of_c is not None and self.d_of_c.told:
            yield (
                f"{self.particle}: D holds at {100 * self.d_of_c.gold_fraction:.1f} at%; ln D changes by "
                f"{self.d_of_c.ln_slope} per unit of atomic fraction, and peaks by {self.d_of_c.ln_peak} at equal parts"
            )

    def quantities(self) -> Iterator[ResultValue]:
        for d in self.diffusivities:
            at: dict[str, float | None] = {"temperature_c": d.temperature_c}
            name = "diffusivity" if len(self.diffusivities) == 1 else f"diffusivity_{d.temperature_c:g}_c"
            value, std = (d.value, d.total) if d.known else (None, None)
            yield ResultValue(self.particle, name, value, std, "m2/s", at)

    def closing_words(self, truth: Mapping[str, Any]) -> Iterator[str]:
        for d in self.diffusivities:
            what = f"= {d} m2/s (1 sigma)" if d.known else "is not known"
            yield f"{self.particle}: D({d.temperature_c:g} C) {what}; {self.quality}"
            if d.budget:
                shares = ", ".join(f"{s.cause} {100 * s.part:.2g} %" for s in d.budget[:_LARGEST])
                yield f"{self.particle}: the systematic part is {shares}"
        for found in self.taken_into_account:
            yield f"{self.particle}: taken into account: {found}"
        known = truth.get(self.particle)
        for d in self.diffusivities:
            if known is None or not d.known or abs(d.temperature_c - _TRUTH_C) >= 0.5:
                continue
            true = known["d_450_m2_per_s"]
            yield (
                f"{self.particle}: truth of the twin {true:.3g} m2/s; the fit is {100 * (d.value / true - 1):+z.1f} % "
                f"= {(d.value - true) / d.std:+z.1f} sigma (stat), {(d.value - true) / d.total:+z.1f} of the total off"
            )


def _plain(values: Sequence[Diffusivity] | Sequence[IntervalDiffusivity]) -> list[dict[str, Any]]:
    return [
        {k: list(v) if isinstance(v, list | tuple) else finite(v) for k, v in msgspec.to_builtins(d).items()}
        for d in values
    ]
