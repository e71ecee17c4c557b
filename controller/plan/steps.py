"""The plan: frozen steps, the same every time they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, assert_never

from controller.plan.blocks import AcquireBlock, CycleBlock, HeatBlock, SteeredBlock, Taken
from controller.plan.recordings import EdxMap, Image, Recording, TiltSeries
from controller.plan.session_file import ParticleSection, SessionFile
from controller.plan.visit_order import visit_order

_SECONDS_PER_QUENCH = 1.0


@dataclass(frozen=True)
class Heat:
    """Ramp, hold, quench. Irreversible: never repeated blindly."""

    id: str
    temperature_c: float
    duration_s: float
    rate_c_per_s: float

    def estimate_s(self) -> float:
        return abs(self.temperature_c - 25.0) / self.rate_c_per_s + self.duration_s + _SECONDS_PER_QUENCH

    def describe(self) -> str:
        return f"heat to {self.temperature_c:g} C at {self.rate_c_per_s:g} C/s, hold {self.duration_s:g} s, quench"


@dataclass(frozen=True)
class WaitForResults:
    """Hold until the analysis of everything so far is in."""

    id: str

    def estimate_s(self) -> float:
        return 10.0

    def describe(self) -> str:
        return "wait for results"


@dataclass(frozen=True)
class Steer:
    """Pulses chosen by the analysis; its cycles begin at `cycle`."""

    id: str
    block: SteeredBlock
    cycle: int
    ramp_c_per_s: float
    series_s: float
    """Of all particles' tilt series after one pulse."""

    def heat(self, number: int, temperature_c: float, duration_s: float) -> Heat:
        """The pulse of this number, from 0."""
        return Heat(f"c{self.cycle + number:02d}/heat", temperature_c, duration_s, self.ramp_c_per_s)

    def has(self, name: str) -> bool:
        """Whether a step, or a cycle, of that name is one of its own."""
        number = name.partition("/")[0].removeprefix("c")
        return name == self.id or (number.isdigit() and 0 <= int(number) - self.cycle <= self.block.most_pulses)

    def estimate_s(self) -> float:
        """As if half of what may be given were needed."""
        pulses = max(1, self.block.most_pulses // 2)
        return pulses * (self.heat(0, self.block.temperature_c, self.block.first_s).estimate_s() + self.series_s)

    def describe(self) -> str:
        b = self.block
        known = f"sigma(dT) {b.sigma_dt_c:g} C" if b.about == "windows" else f"sigma(D) {b.sigma_d_percent:g} %"
        aim = f"{b.alloying:g} alloyed" if b.policy == "until" else known
        return f"{b.policy}: up to {b.most_pulses} pulses at {b.temperature_c:g} C until {b.particle} has {aim}"


Step = Heat | TiltSeries | Image | EdxMap | WaitForResults | Steer


def in_brief(step: Step) -> str:
    """For a line that has little room."""
    match step:
        case Heat():
            return f"heat {step.temperature_c:g} C {step.duration_s:g} s"
        case TiltSeries():
            return f"tilt {step.particle.name}"
        case Image():
            return f"image {step.particle.name}"
        case EdxMap():
            return f"map {step.particle.name}"
        case WaitForResults():
            return "wait for results"
        case Steer():
            return "pulses that the analysis chooses"
        case _:
            assert_never(step)


@dataclass(frozen=True)
class Plan:
    """Steps of a session; ids such as ``c03/NC2/tilt`` are stable across runs."""

    session: SessionFile

    def steps(self) -> Iterator[Step]:
        cycle = 0
        for block in self._blocks():
            match block:
                case AcquireBlock():
                    yield from self._taken(block.kind, cycle)
                    cycle += 1
                case HeatBlock():
                    cycle = max(cycle, 1)
                    for temperature_c, duration_s in block.pulses():
                        rate = block.ramp_c_per_s or self.session.chip.ramp_c_per_s
                        yield Heat(f"c{cycle:02d}/heat", temperature_c, duration_s, rate)
                        yield from self._taken(block.after_each, cycle)
                        if block.wait_for_results:
                            yield WaitForResults(f"c{cycle:02d}/results")
                        cycle += 1
                case SteeredBlock():
                    cycle = max(cycle, 1)
                    series_s = sum(s.estimate_s() for s in self.series(cycle))
                    ramp = self.session.chip.ramp_c_per_s
                    yield Steer(f"c{cycle:02d}/steer", block, cycle, ramp, series_s)
                    cycle += block.most_pulses + 1  # a hold takes a number, too
                case _:
                    assert_never(block)

    def series(self, cycle: int) -> Iterator[TiltSeries]:
        """A tilt series of every particle; every other time the way goes back, so that no stage travel is lost."""
        frame_s = self.session.scan.settings().frame_s
        for particle in self._visited(cycle):
            yield TiltSeries(f"c{cycle:02d}/{particle.name}/tilt", particle, self.session.tilt, frame_s)

    def images(self, cycle: int) -> Iterator[Image]:
        """An image of every particle."""
        frame_s = self.session.scan.settings().frame_s
        for particle in self._visited(cycle):
            yield Image(f"c{cycle:02d}/{particle.name}/image", particle, frame_s)

    def maps(self, cycle: int) -> Iterator[EdxMap]:
        """EDX maps of every particle, at each tilt."""
        edx = self.session.edx
        if edx is None:
            return
        for particle in self._visited(cycle):
            for tilt_deg in edx.tilts_deg:
                at = f"{tilt_deg:+g}" if len(edx.tilts_deg) > 1 else ""
                step = f"c{cycle:02d}/{particle.name}/edx{at}"
                yield EdxMap(step, particle, tilt_deg, edx.settings(), edx.sigma_at_pct)

    def _taken(self, what: Taken | Literal["nothing"], cycle: int) -> Iterator[Recording]:
        match what:
            case "tilt-series":
                yield from self.series(cycle)
            case "image":
                yield from self.images(cycle)
            case "edx-map":
                yield from self.maps(cycle)
            case "nothing":
                pass
            case _:
                assert_never(what)

    def _visited(self, cycle: int) -> list[ParticleSection]:
        particles = self.session.particles
        order = visit_order([(p.y_nm, p.x_nm) for p in particles])
        return [particles[k] for k in (order if cycle % 2 == 0 else reversed(order))]

    def _blocks(self) -> Iterator[AcquireBlock | HeatBlock | SteeredBlock]:
        for block in self.session.plan:
            if isinstance(block, CycleBlock):
                yield from block.steps * block.times
            else:
                yield block

    def estimate_s(self) -> float:
        return sum(step.estimate_s() for step in self.steps())

    def recordings(self) -> Iterator[Recording]:
        """Every recording that there may be."""
        for step in self.steps():
            match step:
                case TiltSeries() | Image() | EdxMap():
                    yield step
                case Steer():
                    for number in range(step.block.most_pulses):
                        yield from self.series(step.cycle + number)
                case Heat() | WaitForResults():
                    pass
                case _:
                    assert_never(step)
