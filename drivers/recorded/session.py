"""A recorded session: what its stream carried, in order."""

from __future__ import annotations

from pathlib import Path

from drivers.errors import ConfigError
from drivers.frames import StreamItem, seq_of
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import read_journal
from drivers.recorded.records import Begin, FrameRecorded, SeriesBegin, SeriesEnded
from drivers.recorded.step_file import read_step


def begin_of(folder: Path) -> Begin:
    """How the session began; raises `ConfigError` where the folder holds none."""
    begin = next((e.record for e in read_journal(folder) if isinstance(e.record, Begin)), None)
    if begin is None:
        raise ConfigError(str(folder), ["the journal does not begin with a session; nothing to analyse"])
    return begin


def read_session(folder: Path) -> list[StreamItem]:
    """Everything the stream carried that is on disk, in order."""
    at = SessionFolder(folder)
    records = [entry.record for entry in read_journal(folder)]
    items: list[StreamItem] = [r.mark for r in records if isinstance(r, SeriesEnded)]
    acknowledged = {at.step_file(r.step) for r in records if isinstance(r, FrameRecorded)}
    for path in sorted(at.frames.glob("*.h5")):
        try:
            items.extend(read_step(path))
        except ConfigError:
            # A file cut before its first frame holds nothing; one that held frames must not be passed over.
            if path in acknowledged:
                raise
    return sorted(items, key=seq_of)


def planned_frames(folder: Path) -> dict[str, int]:
    """Frames that each begun recording was to have, by step."""
    return {e.record.step: e.record.planned for e in read_journal(folder) if isinstance(e.record, SeriesBegin)}
