"""What a session has been through by its own folder: what is done, what was cut, what heat and dose there were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from analysis.diffusion.time_at_temperature import USUAL_Q_J_PER_MOL, time_at_temperature_s, with_gaps_hot
from drivers.errors import ConfigError
from drivers.frames import FrameHeader, HeatPulse, SeriesEnd
from drivers.recorded.chip_readings import readings_of_chip
from drivers.recorded.dose import LeftOn, dose_of, left_on
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Entry, read_guard_journal, read_journal
from drivers.recorded.records import (
    Begin,
    End,
    FoundHot,
    HeatAsked,
    Heated,
    ParticleChosen,
    PlanAmended,
    Record,
    Resumed,
    SeriesEnded,
    SessionRecord,
    StepDone,
)
from drivers.recorded.session import ending_of
from drivers.recorded.step_file import read_headers

R = TypeVar("R", bound=Record)

_NEAR_C = 5.0
"""Of the temperature asked for: held."""


@dataclass(frozen=True)
class Past:
    """Of a session that ended before its plan did, so that `alloyscope resume` repeats nothing."""

    begin: Begin
    time_s: float
    """Session time of the last thing known."""
    done: frozenset[str]
    """Steps that are over; a heat pulse is over once it was begun, whatever became of it."""
    heat: tuple[HeatPulse, ...]
    dose_e_per_nm2: dict[str, float]
    frames: tuple[FrameHeader, ...]
    marks: dict[int, SeriesEnd]
    """Ends of steps, by their numbers; not of those that go on."""
    chosen: tuple[ParticleChosen, ...]
    cut_pulse: Heated | None
    """Booked by the chip's readings, because the controller could not."""
    amended: tuple[PlanAmended, ...]
    """What people changed of the plan."""
    left_on: LeftOn | None
    """A beam whose last electrons the controller could not book; they are in the dose."""
    found: tuple[str, ...]
    """What had been left open, in words."""
    unknown_heat: str
    """What is not certain of the heat, in words: a person must accept it; empty where all is known."""

    @property
    def next_seq(self) -> int:
        return 1 + max((*(h.seq for h in self.frames), *self.marks), default=-1)

    @property
    def steps(self) -> dict[int, str]:
        """Of each frame."""
        return {h.seq: h.step for h in self.frames}

    @property
    def begun(self) -> frozenset[str]:
        """Steps of which there is anything."""
        return self.done | set(self.steps.values())

    @property
    def ended(self) -> tuple[str, ...]:
        """Recordings that are over."""
        return tuple(mark.step for mark in self.marks.values())

    def taken(self, step: str) -> int:
        """Frames of a recording that are there."""
        return sum(h.step == step for h in self.frames)

    def last_of(self, particle: str) -> FrameHeader | None:
        return next((h for h in reversed(self.frames) if h.particle == particle), None)

    @classmethod
    def read(cls, path: Path) -> Past:
        """From a session's folder.

        Raises
        ------
        ConfigError
            Where there is nothing to go on with: the plan is completed, the journal damaged, or of an older version.
        """
        folder = SessionFolder(path)
        entries = list(read_journal(path, whole=True))
        records: list[SessionRecord] = [entry.record for entry in entries]
        begin = next((r for r in records if isinstance(r, Begin)), None)
        if begin is None:
            raise ConfigError(str(path), ["the session had not begun when it ended; run its session file again"])
        if begin.imported_from:
            raise ConfigError(str(path), ["was imported, and nothing can go on; alloyscope analyse reads it"])
        if not begin.origin:
            raise ConfigError(str(path), ["was recorded before sessions could go on; alloyscope analyse reads it"])
        last = ending_of(records)
        if last is not None and last.reason == "completed":
            raise ConfigError(str(path), ["its plan is completed: nothing is left to do; analyse it, or run a new one"])
        frames = _frames(folder)
        over = {r.step for r in _of(records, StepDone)}
        # The number of a mark that did not last was given to the frame that came next.
        gone = {h.seq for h in frames}
        marks = {
            r.mark.seq: r.mark for r in _of(records, SeriesEnded) if r.mark.step in over and r.mark.seq not in gone
        }
        beam = left_on(path, entries)
        pulses = _of(records, Heated)
        cut = _cut_pulse(folder, entries, begin)
        if cut is not None:
            pulses.append(cut)
        return cls(
            begin=begin,
            time_s=max((entries[-1].time_s, *(h.time_s for h in frames), *_guard_times_s(folder))),
            done=frozenset(over | {r.step for r in _of(records, HeatAsked)}),
            heat=tuple(HeatPulse(r.temperature_c, r.worth_s, r.worth_std_s) for r in pulses if r.worth_s > 0.0),
            dose_e_per_nm2=dose_of(path, entries),
            frames=frames,
            marks=marks,
            chosen=tuple(_of(records, ParticleChosen)),
            cut_pulse=cut,
            amended=tuple(_of(records, PlanAmended)),
            left_on=beam,
            unknown_heat=_unknown_heat(records),
            found=(*_ending(last), *_pulses_cut(records, cut), *_beam_left_on(beam), *_series_cut(frames, over)),
        )


def _of(records: list[SessionRecord], kind: type[R]) -> list[R]:
    return [r for r in records if isinstance(r, kind)]


def _frames(folder: SessionFolder) -> tuple[FrameHeader, ...]:
    headers = [h for path in folder.frames.glob("*.h5") for h in read_headers(path)]
    return tuple(sorted(headers, key=lambda h: h.seq))


def _guard_times_s(folder: SessionFolder) -> list[float]:
    """Of what the guard wrote last: it outlives its controller, and no time comes twice."""
    entries, readings = list(read_guard_journal(folder.path))[-1:], readings_of_chip(folder)[-1:]
    return [*(e.time_s for e in entries), *(r.time_s for r in readings)]


def _cut_pulse(folder: SessionFolder, entries: list[Entry[SessionRecord]], begin: Begin) -> Heated | None:
    """What the readings say of a pulse that was asked for and never booked."""
    booked = {e.record.step for e in entries if isinstance(e.record, Heated)}
    asked = [e for e in entries if isinstance(e.record, HeatAsked) and e.record.step not in booked]
    if not asked:
        return None
    pulse = asked[-1].record
    assert isinstance(pulse, HeatAsked), "just chosen so"
    seen = [r for r in readings_of_chip(folder) if r.time_s >= asked[-1].time_s]
    q_j_per_mol = USUAL_Q_J_PER_MOL if begin.activation is None else begin.activation["q_j_per_mol"]
    near = [r.time_s for r in seen if abs(r.temperature_c - pulse.target_c) < _NEAR_C]
    return Heated(
        step=pulse.step,
        temperature_c=pulse.target_c,
        duration_s=round(near[-1] - near[0], 3) if near else 0.0,
        worth_s=round(time_at_temperature_s(with_gaps_hot(seen, pulse.target_c), pulse.target_c, q_j_per_mol), 3),
    )


def _ending(last: End | None) -> tuple[str, ...]:
    if last is None:
        return ("the session was cut off: killed, or the power failed",)
    return (f"the session had ended: {last.reason}{f' ({last.message})' if last.message else ''}",)


def _unknown_heat(records: list[SessionRecord]) -> str:
    hot = [r for r in records if isinstance(r, (FoundHot, Resumed))]
    if not hot or not isinstance(hot[-1], FoundHot):
        return ""
    return f"the chip was found at {hot[-1].temperature_c:.0f} C, since when is not known: that heat is in no ledger"


def _pulses_cut(records: list[SessionRecord], cut: Heated | None) -> tuple[str, ...]:
    asked = {r.step: r.duration_s for r in _of(records, HeatAsked)}
    short = [r for r in _of(records, Heated) if r.duration_s < asked.get(r.step, 0.0) - 0.5]
    words = [f"{r.step} was cut at {r.duration_s:g} of {asked[r.step]:g} s, which are booked" for r in short]
    if cut is not None:
        words.append(
            f"{cut.step} was cut; by the chip's readings it held {cut.temperature_c:g} C for {cut.duration_s:g} of "
            f"{asked[cut.step]:g} s, which are booked"
        )
    return tuple(f"{w}; a pulse is never repeated" for w in words)


def _beam_left_on(left: LeftOn | None) -> tuple[str, ...]:
    if left is None:
        return ()
    longer = "" if left.sure else "; nobody wrote that it was blanked: it may have been on for longer"
    booked = f"{left.electrons_per_nm2:.3g} electrons per nm2 more are booked on {left.particle}"
    return (f"the beam was on, for {left.on_s:.2g} s after its last scan; {booked}{longer}",)


def _series_cut(frames: tuple[FrameHeader, ...], over: set[str]) -> tuple[str, ...]:
    cut = [h.step for h in frames if h.step not in over]
    return tuple(f"{s} was cut after {cut.count(s)} frame(s), and goes on from there" for s in dict.fromkeys(cut))
