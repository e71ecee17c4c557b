"""What a plan is written of: blocks of a session file, each worth one or many steps."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.toml_file import Strict

AfterEach = Literal["tilt-series", "image", "edx-map", "nothing"]
Temperature = Annotated[float, Field(gt=-273.15)]


class AcquireBlock(Strict):
    """One tilt series, image or EDX map of every particle, without heat."""

    kind: Literal["tilt-series", "image", "edx-map"]


class Heating(Strict):
    """What every block that heats may say."""

    after_each: AfterEach = "tilt-series"
    """What is taken of every particle after each quench."""
    ramp_c_per_s: float | None = Field(None, gt=0)
    """Instead of the chip's."""
    wait_for_results: bool = False
    """Hold the plan after each acquisition until its result is in."""


class PulsesBlock(Heating):
    """Heat pulses at one temperature, each ended by a quench. A duration of 0 is a ramp alone."""

    kind: Literal["pulses"]
    temperature_c: Temperature
    durations_s: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1)
    repeat: int = Field(1, ge=1, le=1000)
    """How often the durations are gone through."""

    def pulses(self) -> list[tuple[float, float]]:
        """Temperature in C and duration in s of each."""
        return [(self.temperature_c, s) for s in self.durations_s] * self.repeat


class StaircaseBlock(Heating):
    """One pulse at each of many temperatures, each ended by a quench (paper 002, Figure S1)."""

    kind: Literal["staircase"]
    from_c: Temperature
    to_c: Temperature
    step_c: float = Field(gt=0)
    hold_s: float = Field(gt=0)

    def pulses(self) -> list[tuple[float, float]]:
        """Temperature in C and duration in s of each."""
        stairs = int(abs(self.to_c - self.from_c) / self.step_c + 1e-9)
        way = self.step_c if self.to_c >= self.from_c else -self.step_c
        return [(round(self.from_c + way * n, 6), self.hold_s) for n in range(stairs + 1)]


class CycleBlock(Strict):
    """Blocks gone through several times over."""

    kind: Literal["cycle"]
    times: int = Field(ge=1, le=1000)
    steps: tuple[Annotated[AcquireBlock | PulsesBlock | StaircaseBlock, Field(discriminator="kind")], ...] = Field(
        min_length=1
    )


class SteeredBlock(Strict):
    """Pulses that the analysis chooses, each followed by a tilt series of every particle."""

    kind: Literal["steered"]
    policy: Literal["until", "most-informative"]
    particle: str
    temperature_c: float
    first_s: float = Field(gt=0)
    """The first pulse, given before anything is known of D: short enough to be safe, long enough to be seen."""
    shortest_s: float = Field(1.0, gt=0)
    longest_s: float = Field(600.0, gt=0)
    most_pulses: int = Field(10, ge=1, le=50)
    most_s: float = Field(3600.0, gt=0)
    """Total time at temperature, earlier pulses with it."""
    alloying: float = Field(0.5, gt=0, lt=1)
    """`until`: the degree of alloying to land on, of the metals themselves."""
    tolerance: float = Field(0.01, gt=0, lt=0.2)
    most_dose_e_per_nm2: float | None = Field(None, gt=0)
    """On the block's particle, earlier doses with it; None is no limit."""
    about: Literal["diffusivity", "windows"] = "diffusivity"
    """What `most-informative` narrows: the particle's D, or by how much the windows' temperatures differ."""
    sigma_d_percent: float = Field(1.0, gt=0)
    """Enough when sigma(D) / D has come down to this."""
    sigma_dt_c: float = Field(1.0, gt=0)
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


Block = Annotated[AcquireBlock | PulsesBlock | StaircaseBlock | CycleBlock | SteeredBlock, Field(discriminator="kind")]


def takes_maps(block: Block) -> bool:
    """Whether a block asks for EDX maps."""
    match block:
        case CycleBlock():
            return any(takes_maps(inner) for inner in block.steps)
        case AcquireBlock():
            return block.kind == "edx-map"
        case PulsesBlock() | StaircaseBlock():
            return block.after_each == "edx-map"
        case _:
            return False
