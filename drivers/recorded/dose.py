"""Electrons that particles have had, by a session's journals: what was booked, and what nobody lived to book."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from drivers.recorded.chip_readings import readings_of_chip
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Entry, read_guard_journal
from drivers.recorded.records import BeamBlanked, BeamOff, BeamOn, Begin, Exposed, SessionRecord


@dataclass(frozen=True)
class LeftOn:
    """A beam that was on when its session was cut."""

    particle: str
    on_s: float
    """From what was booked last."""
    electrons_per_nm2: float
    """Of that time."""
    sure: bool
    """Somebody wrote that it was blanked, or it went with its simulation; else it may have been on for longer."""


def dose_of(folder: Path, entries: Iterable[Entry[SessionRecord]]) -> dict[str, float]:
    """Electrons per nm2 that each particle has taken, those of a beam that was left on with them."""
    entries = list(entries)
    dose: dict[str, float] = {}
    for record in (e.record for e in entries):
        if isinstance(record, Exposed):
            dose[record.particle] = dose.get(record.particle, 0.0) + record.electrons_per_nm2
    left = left_on(folder, entries)
    if left is not None:
        dose[left.particle] = dose.get(left.particle, 0.0) + left.electrons_per_nm2
    return dose


def left_on(folder: Path, entries: Iterable[Entry[SessionRecord]]) -> LeftOn | None:
    """What a beam gave after the last booking, until it was blanked by whoever noticed, or the last sign of life."""
    on: BeamOn | None = None
    since_s = last_s = 0.0
    simulated = False
    for entry in entries:
        last_s = max(last_s, entry.time_s)
        match entry.record:
            case Begin():
                simulated = entry.record.simulated
            case BeamOn():
                on, since_s = entry.record, entry.time_s
            case Exposed():
                since_s = entry.time_s
            case BeamOff():
                on = None
    if on is None:
        return None
    later = [e for e in read_guard_journal(folder) if e.time_s >= since_s]
    blanked_s = [e.time_s for e in later if isinstance(e.record, BeamBlanked)]
    if blanked_s:
        until_s = blanked_s[0]
    elif simulated and later:
        # It went with its process, which is what the guard acted upon then.
        until_s = later[0].time_s
    else:
        until_s = max([last_s, *(r.time_s for r in readings_of_chip(SessionFolder(folder))[-1:])])
    on_s = max(0.0, until_s - since_s)
    return LeftOn(on.particle, on_s, on_s * on.electrons_per_nm2_per_s, bool(blanked_s) or simulated)
