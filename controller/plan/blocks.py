"""What a plan is written of: blocks of a session file, each worth one or many steps.

A new kind of heating is a class here, derived from `HeatBlock`, and its name in `HeatKind`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from controller.plan.quantities import HoldSeconds, RampCPerS, Seconds, Temperature
from drivers.toml_file import Strict

Taken = Literal["tilt-series", "image", "edx-map"]


class AskedTemperature(NamedTuple):
    """A temperature that a block asks for, and where the file says it."""

    where: str
    temperature_c: float
    ramp_c_per_s: float | None
    """None is the chip's."""


class PlanBlock(Strict):
    """Base of all blocks."""

    @property
    def takes_maps(self) -> bool:
        """Whether it asks for EDX maps."""
        return False

    def asked(self, where: str) -> Iterator[AskedTemperature]:
        """Every temperature that it asks for; `where` is the block's place in the file."""
        yield from ()


class AcquireBlock(PlanBlock):
    """One tilt series, image or EDX map of every particle, without heat."""

    kind: Taken
    """What is taken."""

    @property
    def takes_maps(self) -> bool:
        return self.kind == "edx-map"


class HeatBlock(PlanBlock):
    """What every block that heats may say."""

    after_each: Taken | Literal["nothing"] = "tilt-series"
    """What is taken of every particle after each quench."""
    ramp_c_per_s: RampCPerS | None = None
    """Instead of the chip's."""
    wait_for_results: bool = False
    """Hold the plan after each acquisition until its result is in."""

    @abstractmethod
    def pulses(self) -> list[tuple[float, float]]:
        """Temperature in C and duration in s of each; every one is ended by a quench."""

    @property
    def takes_maps(self) -> bool:
        return self.after_each == "edx-map"

    def asked(self, where: str) -> Iterator[AskedTemperature]:
        """Of all pulses; a kind that has one key for them names it."""
        yield from (AskedTemperature(where, temperature_c, self.ramp_c_per_s) for temperature_c, _ in self.pulses())


class PulsesBlock(HeatBlock):
    """Heat pulses at one temperature, each ended by a quench. A duration of 0 is a ramp alone."""

    kind: Literal["pulses"]
    """Pulses at one temperature."""
    temperature_c: Temperature
    """Of all these pulses."""
    durations_s: tuple[HoldSeconds, ...] = Field(min_length=1)
    """Time at temperature of each, in order."""
    repeat: int = Field(1, ge=1, le=1000)
    """How often the durations are gone through."""

    def pulses(self) -> list[tuple[float, float]]:
        return [(self.temperature_c, s) for s in self.durations_s] * self.repeat

    def asked(self, where: str) -> Iterator[AskedTemperature]:
        yield AskedTemperature(f"{where}.temperature_c", self.temperature_c, self.ramp_c_per_s)


class StaircaseBlock(HeatBlock):
    """One pulse at each of many temperatures, each ended by a quench (Mychinko et al., Small 2021, Figure S1)."""

    kind: Literal["staircase"]
    """One pulse at each of many temperatures."""
    from_c: Temperature
    """First temperature."""
    to_c: Temperature
    """Last temperature, if the stairs meet it."""
    step_c: float = Field(ge=0.01)
    """Between two stairs."""
    hold_s: Seconds
    """Time at each."""

    def pulses(self) -> list[tuple[float, float]]:
        stairs = int(abs(self.to_c - self.from_c) / self.step_c + 1e-9)
        way = self.step_c if self.to_c >= self.from_c else -self.step_c
        return [(round(self.from_c + way * n, 6), self.hold_s) for n in range(stairs + 1)]

    def asked(self, where: str) -> Iterator[AskedTemperature]:
        for temperature_c, _ in self.pulses():
            yield AskedTemperature(f"{where}.to_c", temperature_c, self.ramp_c_per_s)


HeatKind = PulsesBlock | StaircaseBlock
"""Every kind of heating, alone or in a cycle."""


class CycleBlock(PlanBlock):
    """Blocks gone through several times over."""

    kind: Literal["cycle"]
    """Blocks gone through several times over."""
    times: int = Field(ge=1, le=1000)
    """How often."""
    steps: tuple[Annotated[AcquireBlock | HeatKind, Field(discriminator="kind")], ...] = Field(min_length=1)
    """The blocks."""

    @property
    def takes_maps(self) -> bool:
        return any(inner.takes_maps for inner in self.steps)

    def asked(self, where: str) -> Iterator[AskedTemperature]:
        for number, inner in enumerate(self.steps, 1):
            yield from inner.asked(f"{where}.steps[{number}]")


class SteeredBlock(PlanBlock):
    """Pulses that the analysis chooses, each followed by a tilt series of every particle."""

    kind: Literal["steered"]
    """Pulses that the analysis chooses."""
    policy: Literal["until", "most-informative"]
    """Land on a degree of alloying, or learn the most of what `about` says."""
    particle: str
    """By which it is steered."""
    temperature_c: Temperature
    """Of its pulses."""
    first_s: Seconds
    """The first pulse, given before anything is known of D: short enough to be safe, long enough to be seen."""
    shortest_s: Seconds = 1.0
    """Of the pulses that may be chosen."""
    longest_s: Seconds = 600.0
    """Of the pulses that may be chosen."""
    most_pulses: int = Field(10, ge=1, le=50)
    """After so many it ends."""
    most_s: Seconds = 3600.0
    """Total time at temperature, earlier pulses with it."""
    alloying: float = Field(0.5, gt=0, lt=1)
    """`until`: the degree of alloying to land on, of the metals themselves."""
    tolerance: float = Field(0.01, gt=0, lt=0.2)
    """`until`: how near the degree of alloying must come."""
    most_dose_e_per_nm2: float | None = Field(None, gt=0)
    """On the block's particle, earlier doses with it; without it there is no limit."""
    about: Literal["diffusivity", "windows"] = "diffusivity"
    """What `most-informative` narrows: the particle's D, or by how much the windows' temperatures differ."""
    sigma_d_percent: float = Field(1.0, gt=0, le=1000)
    """Enough when sigma(D) / D has come down to this."""
    sigma_dt_c: float = Field(1.0, gt=0, le=1000)
    """Enough when the worst sigma(dT) has come down to this."""
    temperatures_c: tuple[Temperature, ...] = ()
    """About windows: other temperatures that may be chosen as well."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.shortest_s > self.longest_s:
            raise ValueError("shortest_s must not be longer than longest_s")
        if self.about == "windows" and self.policy != "most-informative":
            raise ValueError('about = "windows" is only for policy = "most-informative"')
        if self.temperatures_c and self.about != "windows":
            raise ValueError('temperatures_c is only for about = "windows"')
        return self

    def asked(self, where: str) -> Iterator[AskedTemperature]:
        yield AskedTemperature(f"{where}.temperature_c", self.temperature_c, None)
        yield from (AskedTemperature(f"{where}.temperatures_c", t, None) for t in self.temperatures_c)


Block = Annotated[AcquireBlock | HeatKind | CycleBlock | SteeredBlock, Field(discriminator="kind")]
