"""A recorded session: what its stream carried, in order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from drivers.errors import ConfigError
from drivers.frames import FrameHeader, StreamItem
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import read_journal
from drivers.recorded.records import (
    Begin,
    End,
    FrameRecorded,
    Resumed,
    SeriesBegin,
    SeriesEnded,
    SessionRecord,
)
from drivers.recorded.step_file import OnDamage, read_step


def begin_of(folder: Path) -> Begin:
    """How the session began; raises `ConfigError` where the folder holds none."""
    begin = next((e.record for e in read_journal(folder) if isinstance(e.record, Begin)), None)
    if begin is None:
        raise ConfigError(str(folder), ["the journal does not begin with a session; nothing to analyse"])
    return begin


def ending_of(records: Iterable[SessionRecord]) -> End | None:
    """How the session ended last, whatever was booked after that; None where it was cut, or has gone on and runs."""
    last = [r for r in records if isinstance(r, (Begin, Resumed, End))][-1:]
    return last[0] if last and isinstance(last[0], End) else None


def read_session(folder: Path, on_damage: OnDamage | None = None, particle: str | None = None) -> list[StreamItem]:
    """Everything the stream carried that is on disk, in order, or what is of one particle; damage as in `read_step`.

    The mark of a series that was cut, and went on later, has given its number to the frame that came next.
    """
    at = SessionFolder(folder)
    records = [entry.record for entry in read_journal(folder)]
    if particle is None:
        paths = sorted(at.frames.glob("*.h5"))
    else:
        own = {r.step for r in records if isinstance(r, SeriesBegin) and r.particle == particle}
        records = [
            r
            for r in records
            if (isinstance(r, SeriesEnded) and r.mark.step in own) or (isinstance(r, FrameRecorded) and r.step in own)
        ]
        paths = sorted(path for step in own for path in at.step_files(step))
    items: dict[int, StreamItem] = {r.mark.seq: r.mark for r in records if isinstance(r, SeriesEnded)}
    frames: set[int] = set()
    unreadable: list[ConfigError] = []

    def damaged(header: FrameHeader, why: str) -> None:
        frames.add(header.seq)
        assert on_damage is not None, "it was asked for"
        on_damage(header, why)

    for path in paths:
        try:
            for frame in read_step(path, damaged if on_damage is not None else None):
                items[frame.header.seq] = frame
                frames.add(frame.header.seq)
        except ConfigError as error:
            unreadable.append(error)
    # A file cut before its first frame holds nothing; one that held frames must not be passed over.
    if unreadable and not frames >= {r.seq for r in records if isinstance(r, FrameRecorded)}:
        raise unreadable[0]
    return [items[seq] for seq in sorted(items)]


def planned_frames(folder: Path) -> dict[str, int]:
    """Frames that each begun recording was to have, by step."""
    return {e.record.step: e.record.planned for e in read_journal(folder) if isinstance(e.record, SeriesBegin)}


def particles_of(folder: Path) -> tuple[str, ...]:
    """Of which anything was begun to be recorded, in that order."""
    return tuple(dict.fromkeys(e.record.particle for e in read_journal(folder) if isinstance(e.record, SeriesBegin)))
