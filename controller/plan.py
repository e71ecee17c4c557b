"""The plan: frozen steps, the same every time they are asked for, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.session_file import AcquireBlock, ParticleSection, PulsesBlock, SessionFile, SteeredBlock, TiltScheme
from drivers.units import electrons_per_nm2

_SECONDS_PER_MOVE = 1.5
"""Stage move and settling between tilts, for estimates."""
_RETURN_DEG_PER_S = 2.0
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


@dataclass(frozen=True)
class TiltSeries:
    """One tilt series of one particle."""

    id: str
    particle: ParticleSection
    scheme: TiltScheme
    frame_s: float

    def estimate_s(self) -> float:
        range_deg = abs(self.scheme.to_deg - self.scheme.from_deg)
        back_s = range_deg / _RETURN_DEG_PER_S
        if self.scheme.mode == "continuous":
            return range_deg / self.scheme.rate_deg_per_s + back_s
        return len(self.scheme.tilts_deg()) * (self.frame_s + _SECONDS_PER_MOVE) + back_s


@dataclass(frozen=True)
class WaitForResults:
    """Hold until the analysis of everything so far is in."""

    id: str

    def estimate_s(self) -> float:
        return 10.0


@dataclass(frozen=True)
class Steer:
    """Pulses chosen by the analysis; its cycles begin at `cycle`."""

    id: str
    block: SteeredBlock
    cycle: int
    ramp_c_per_s: float
    series_s: float
    """Of all particles' tilt series after one pulse."""

    def heat(self, number: int, duration_s: float) -> Heat:
        """The pulse of this number, from 0."""
        return Heat(f"c{self.cycle + number:02d}/heat", self.block.temperature_c, duration_s, self.ramp_c_per_s)

    def estimate_s(self) -> float:
        """As if half of what may be given were needed."""
        pulses = max(1, self.block.most_pulses // 2)
        return pulses * (self.heat(0, self.block.first_s).estimate_s() + self.series_s)


Step = Heat | TiltSeries | WaitForResults | Steer


@dataclass(frozen=True)
class Plan:
    """Steps of a session; ids such as ``c03/NC2/tilt`` are stable across runs."""

    session: SessionFile

    def steps(self) -> Iterator[Step]:
        cycle = 0
        for block in self.session.plan:
            match block:
                case AcquireBlock():
                    yield from self.series(cycle)
                    cycle += 1
                case PulsesBlock():
                    cycle = max(cycle, 1)
                    for duration_s in block.durations_s:
                        rate = self.session.chip.ramp_c_per_s
                        yield Heat(f"c{cycle:02d}/heat", block.temperature_c, duration_s, rate)
                        if block.after_each == "tilt-series":
                            yield from self.series(cycle)
                        if block.wait_for_results:
                            yield WaitForResults(f"c{cycle:02d}/results")
                        cycle += 1
                case SteeredBlock():
                    cycle = max(cycle, 1)
                    series_s = sum(s.estimate_s() for s in self.series(cycle))
                    ramp = self.session.chip.ramp_c_per_s
                    yield Steer(f"c{cycle:02d}/steer", block, cycle, ramp, series_s)
                    cycle += block.most_pulses

    def series(self, cycle: int) -> Iterator[TiltSeries]:
        """A tilt series of every particle."""
        frame_s = self.session.scan.settings().frame_s
        for particle in self.session.particles:
            yield TiltSeries(f"c{cycle:02d}/{particle.name}/tilt", particle, self.session.tilt, frame_s)

    def estimate_s(self) -> float:
        return sum(step.estimate_s() for step in self.steps())

    def dose_e_per_nm2(self) -> dict[str, float]:
        """Electrons per nm2 that each particle will get at most."""
        scan = self.session.scan
        frame = electrons_per_nm2(scan.current_pa, scan.dwell_us * 1e-6, scan.pixel_nm)
        dose: dict[str, float] = {}
        for series in self._all_series():
            frames = len(series.scheme.tilts_deg())
            dose[series.particle.name] = dose.get(series.particle.name, 0.0) + frames * frame
        return dose

    def _all_series(self) -> Iterator[TiltSeries]:
        """Every tilt series there may be."""
        for step in self.steps():
            match step:
                case TiltSeries():
                    yield step
                case Steer():
                    for number in range(step.block.most_pulses):
                        yield from self.series(step.cycle + number)
