"""The append-only log of a session or its guard, written and read here and nowhere else; fsynced line by line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from drivers.clock import Clock
from drivers.errors import ConfigError, RecordingError
from drivers.frames import plain
from drivers.recorded.folder import SessionFolder
from drivers.recorded.records import GuardRecord, Record, SessionRecord

R = TypeVar("R", bound=Record)


class Journal:
    """One JSON object a line: ``n``, ``time_s`` and ``what``, with details."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._file = path.open("ab", buffering=0)
        self._n = 0

    def write(self, record: Record) -> None:
        """Append one record; when it returns, the record is on disk."""
        line = {"n": self._n, "time_s": round(self._clock.now(), 6)} | msgspec.to_builtins(record, enc_hook=plain)
        self._n += 1
        try:
            self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RecordingError(
                f"the journal cannot be written ({error}); free space on the disk, then resume"
            ) from error

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Entry(Generic[R]):
    """A line of a journal."""

    n: int
    time_s: float
    record: R


def read_journal(folder: Path) -> Iterator[Entry[SessionRecord]]:
    """Whole records of a session's journal; a torn line, or one of another version, is passed over.

    Raises
    ------
    ConfigError
        Where there is no journal.
    """
    path = SessionFolder(folder).journal
    if not path.is_file():
        raise ConfigError(
            str(folder), ["is not a session folder (no journal.jsonl); give a folder made by run or dry-run"]
        )
    yield from _entries(path, SessionRecord)


def read_guard_journal(folder: Path) -> Iterator[Entry[GuardRecord]]:
    """The same of its guard's; nothing where there is none."""
    path = SessionFolder(folder).guard_journal
    if path.is_file():
        yield from _entries(path, GuardRecord)


def _entries(path: Path, kinds: Any) -> Iterator[Entry[Any]]:
    for line in path.read_bytes().split(b"\n"):
        try:
            told = json.loads(line)
            record = msgspec.convert(_of_today(told), kinds)
            yield Entry(int(told.get("n", -1)), float(told.get("time_s", 0.0)), record)
        except (ValueError, AttributeError, TypeError, msgspec.ValidationError):
            continue


def _of_today(told: dict[str, Any]) -> dict[str, Any]:
    """Before there were EDX maps a step's end said no more than whether it was an image."""
    mark = told.get("mark")
    if isinstance(mark, dict) and "what" not in mark:
        return told | {"mark": {"what": "image" if mark.get("image") else "tilt-series", "type": "SeriesEnd"} | mark}
    return told


def records_of(folder: Path, kind: type[R]) -> list[R]:
    """All records of one kind in a session's journal, in order."""
    return [entry.record for entry in read_journal(folder) if isinstance(entry.record, kind)]
