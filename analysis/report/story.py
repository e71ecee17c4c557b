"""What a session was and found, gathered from its folder for a report; also of one that was cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from analysis.results import AnyResult, Arrhenius, DiffusivityResult, EdxResult, ImageResult, StateResult, from_line
from drivers.recorded.chip_readings import readings_of_chip
from drivers.recorded.dose import dose_of
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Entry, read_guard_journal, read_journal
from drivers.recorded.records import (
    AnalysisStarted,
    Audited,
    AwayBorne,
    BeamBlanked,
    Begin,
    CloseFailed,
    CommandAsked,
    End,
    FoundHot,
    GuardRecord,
    HeatAsked,
    Heated,
    MadeSafe,
    MakeSafeFailed,
    NotCentred,
    NotEucentric,
    NoteWritten,
    PlanAmended,
    Resumed,
    SessionRecord,
)
from drivers.recorded.session import begin_of, ending_of

R = TypeVar("R", bound=AnyResult)


@dataclass(frozen=True)
class Happening:
    """Something that a reader should know of."""

    time_s: float
    words: str


@dataclass(frozen=True)
class Pulse:
    """A heat pulse."""

    step: str
    temperature_c: float
    asked_s: float | None
    """None where another program heated."""
    booked: Heated | None


@dataclass(frozen=True)
class SessionStory:
    """Everything that a report tells."""

    folder: SessionFolder
    begin: Begin
    entries: tuple[Entry[SessionRecord], ...]
    results: tuple[AnyResult, ...]

    @classmethod
    def read(cls, path: Path) -> SessionStory:
        """Raises `ConfigError` for a folder that holds no session."""
        folder, begin = SessionFolder(path), begin_of(path)
        results: list[AnyResult] = []
        if folder.results.is_file():
            for line in folder.results.read_bytes().splitlines():
                with suppress(msgspec.MsgspecError):  # cut, or of another version
                    results.append(from_line(line))
        return cls(folder, begin, tuple(read_journal(path)), tuple(results))

    @property
    def states(self) -> dict[str, list[StateResult]]:
        """By particle, in order; of a step that was given again the newest."""
        newest = {r.step: r for r in self.results if isinstance(r, StateResult)}
        found: dict[str, list[StateResult]] = {}
        for state in sorted(newest.values(), key=lambda s: s.state):
            found.setdefault(state.particle, []).append(state)
        return found

    @property
    def fits(self) -> dict[str, DiffusivityResult]:
        """The last of each particle."""
        return {r.particle: r for r in self.results if isinstance(r, DiffusivityResult)}

    @property
    def law(self) -> Arrhenius | None:
        return next((r for r in reversed(self.results) if isinstance(r, Arrhenius)), None)

    @property
    def maps(self) -> list[EdxResult]:
        return list({r.step: r for r in self.results if isinstance(r, EdxResult) and r.final}.values())

    @property
    def images(self) -> dict[str, list[ImageResult]]:
        """By particle, in order."""
        found: dict[str, list[ImageResult]] = {}
        for image in {r.step: r for r in self.results if isinstance(r, ImageResult)}.values():
            found.setdefault(image.particle, []).append(image)
        return found

    @property
    def doubts(self) -> list[str]:
        """Of what was measured, where its quality is not good."""
        fits = [f"{p}: {f.quality}" for p, f in self.fits.items() if f.quality != "good"]
        measured: list[StateResult | ImageResult | EdxResult] = [s for of in self.states.values() for s in of]
        measured += [i for of in self.images.values() for i in of]
        measured += self.maps
        return fits + [f"{m.step}: {m.quality}" for m in measured if m.quality != "good"]

    @property
    def end(self) -> End | None:
        return ending_of(entry.record for entry in self.entries)

    @property
    def over(self) -> bool:
        """Whether it came to an end by itself, well or not."""
        return self.end is not None

    @property
    def ended_well(self) -> bool:
        """As planned, as a watcher was told to, or as an import."""
        return self.end is not None and self.end.reason in ("completed", "done", "imported")

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        end = self.end
        if end is None:
            return "cut off: killed, or the power failed, or it still runs"
        return f"{end.reason}{f': {end.message}' if end.message else ''}"

    @property
    def account(self) -> str:
        """Of the frames, where there is one."""
        audits = [e.record for e in self.entries if isinstance(e.record, Audited)]
        if not audits:
            return "no account of its frames was given"
        a = audits[-1]
        missing = f"; missing: {', '.join(a.missing)}" if a.missing else ""
        return f"{a.acquired} frames acquired, {a.recorded} recorded, {a.analysed} analysed{missing}"

    @property
    def dose_e_per_nm2(self) -> dict[str, float]:
        return dose_of(self.folder.path, self.entries)

    @property
    def pulses(self) -> list[Pulse]:
        """In order: what was asked, and what was booked of it."""
        booked = {e.record.step: e.record for e in self.entries if isinstance(e.record, Heated)}
        asked = {e.record.step for e in self.entries if isinstance(e.record, HeatAsked)}
        found, told = [], set()
        for record in (e.record for e in self.entries):
            if isinstance(record, HeatAsked):
                found.append(Pulse(record.step, record.target_c, record.duration_s, booked.get(record.step)))
            elif isinstance(record, Heated) and record.step not in asked:
                # Where another program heated; each particle of an import tells the same pulses of itself.
                cycle, _, name = record.step.partition("/")
                once = (cycle, name.rpartition("/")[2])
                if once[1].startswith("heat") and once in told:
                    continue
                told.add(once)
                found.append(Pulse(record.step, record.temperature_c, None, record))
        return found

    def chip(self) -> NDArray[np.float64]:
        """(reading, 3) time in s, set point and temperature in C; a torn line is none."""
        rows = [(r.time_s, r.setpoint_c, r.temperature_c) for r in readings_of_chip(self.folder)]
        return np.array(rows, np.float64).reshape(-1, 3)

    def volume(self, step: str) -> tuple[NDArray[np.float32], float] | None:
        """A state's reconstruction (z, y, x), and the size of its voxels in nm; None without one."""
        import mrcfile

        path = self.folder.volume(step)
        if not path.is_file():
            return None
        with mrcfile.open(path, permissive=True) as file:
            return np.array(file.data, np.float32), 0.1 * float(file.voxel_size.x) or 1.0

    def middle_slice(self, step: str, axis: int) -> tuple[NDArray[np.float32], float] | None:
        """Through a state's volume, across an axis, and the size of its voxels in nm; None without one."""
        found = self.volume(step)
        return None if found is None else (np.take(found[0], found[0].shape[axis] // 2, axis), found[1])

    def truth(self) -> dict[str, dict[str, Any]]:
        """What a twin knows of its particles; nothing of real ones."""
        found: dict[str, dict[str, Any]] = {}
        with suppress(OSError, ValueError, KeyError):
            found = json.loads(self.folder.particles_truth.read_text())["particles"]
        return found

    def happenings(self) -> list[Happening]:
        """Commands, faults and what was done about them, in order."""
        with suppress(FileNotFoundError):
            guarded = [Happening(e.time_s, words) for e in read_guard_journal(self.folder.path) for words in _of(e)]
            told = [Happening(e.time_s, words) for e in self.entries for words in _of(e)]
            return sorted([*guarded, *told, *self._restarts()], key=lambda h: h.time_s)
        return []

    def _restarts(self) -> Iterator[Happening]:
        started = [e for e in self.entries if isinstance(e.record, AnalysisStarted)]
        resumed = [e.time_s for e in self.entries if isinstance(e.record, Resumed)]
        for before, entry in pairwise(started):
            if not any(before.time_s < t <= entry.time_s for t in resumed):
                yield Happening(entry.time_s, "the analysis process was started again; nothing was lost")


def _of(entry: Entry[SessionRecord] | Entry[GuardRecord]) -> Iterator[str]:
    """What a record says to a reader of the report; most say nothing."""
    match entry.record:
        case CommandAsked(command=command):
            yield f"a person asked: {command}"
        case PlanAmended(step=step, how="changed", temperature_c=asked_c, duration_s=asked_s):
            yield f"a person changed {step} to {asked_c:g} C for {asked_s:g} s"
        case PlanAmended(step=step, how="repeated", repeats=repeats):
            yield f"a person asked that {repeats} be repeated, as {step}"
        case PlanAmended(step=step, how=how):
            yield f"a person asked that {step} be {how}{' after all' if how == 'taken' else ''}"
        case NoteWritten(text=text):
            yield f"note: {text}"
        case Resumed(found=found):
            yield f"the session went on: {'; '.join(found)}"
        case FoundHot(temperature_c=read_c):
            yield f"the chip was found at {read_c:.0f} C"
        case NotCentred(step=step, reason=reason) | NotEucentric(step=step, reason=reason):
            yield f"{step}: not brought back: {reason}"
        case CloseFailed(message=message):
            yield f"not closed well: {message}"
        case MadeSafe(reason=reason):
            yield f"the chip was made safe: {reason}"
        case MakeSafeFailed(message=message):
            yield f"the guard: {message}"
        case AwayBorne(message=message):
            yield f"held on all the same: {message}"
        case BeamBlanked(reason=reason):
            yield f"the beam was blanked: {reason}"
