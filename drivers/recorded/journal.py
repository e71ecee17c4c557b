"""The append-only log of a session or its guard, written and read here and nowhere else; fsynced line by line.

Each line ends with the CRC-32 of what comes before it, so that a damaged one is known from a torn one.
"""

from __future__ import annotations

import json
import os
import zlib
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
        self._n = _mended(path) if path.exists() else 0
        self._file = path.open("ab", buffering=0)

    def write(self, record: Record) -> None:
        """Append one record; when it returns, the record is on disk."""
        line = {"n": self._n, "time_s": round(self._clock.now(), 6)} | msgspec.to_builtins(record, enc_hook=plain)
        self._n += 1
        try:
            self._file.write(_sealed(json.dumps(line, allow_nan=False).encode()) + b"\n")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RecordingError(
                f"the journal cannot be written ({error}); free space on the disk, then resume"
            ) from error

    def close(self) -> None:
        self._file.close()


_SEAL = b', "crc": "%08x"}'
_SEAL_LENGTH = len(_SEAL % 0)


def _sealed(line: bytes) -> bytes:
    return line[:-1] + _SEAL % zlib.crc32(line)


def _opened(line: bytes, *, seal: bool) -> dict[str, Any]:
    """What a line says; raises `ValueError` where it is not as it was written."""
    if seal:
        bare = line[:-_SEAL_LENGTH] + b"}"
        if _sealed(bare) != line:
            raise ValueError("its checksum is not that of its text")
        line = bare
    return msgspec.convert(json.loads(line), dict[str, Any])


def _has_seals(data: bytes) -> bool:
    """Journals had none before there was `alloyscope resume`."""
    return b'"crc": "' in data


def _mended(path: Path) -> int:
    """Take off a last line that was cut while it was written; how many lines there are."""
    data = path.read_bytes()
    whole, _, tail = data.rpartition(b"\n")
    if tail:
        try:
            _opened(tail, seal=_has_seals(data))
        except ValueError:
            os.truncate(path, len(data) - len(tail))
        else:
            with path.open("ab") as file:
                file.write(b"\n")
            return whole.count(b"\n") + 2
    return data.count(b"\n")


@dataclass(frozen=True)
class Entry(Generic[R]):
    """A line of a journal."""

    n: int
    time_s: float
    record: R


def read_journal(folder: Path, *, whole: bool = False) -> Iterator[Entry[SessionRecord]]:
    """Records of a session's journal; a torn or damaged line, or one of another version, is passed over.

    Parameters
    ----------
    whole : nothing but the last line may be torn

    Raises
    ------
    ConfigError
        Where there is no journal, or it is not as whole as it must be.
    """
    path = SessionFolder(folder).journal
    if not path.is_file():
        raise ConfigError(
            str(folder), ["is not a session folder (no journal.jsonl); give a folder made by run or dry-run"]
        )
    yield from _entries(path, SessionRecord, whole=whole)


def read_guard_journal(folder: Path) -> Iterator[Entry[GuardRecord]]:
    """The same of its guard's; nothing where there is none."""
    path = SessionFolder(folder).guard_journal
    if path.is_file():
        yield from _entries(path, GuardRecord, whole=False)


def _entries(path: Path, kinds: Any, *, whole: bool) -> Iterator[Entry[Any]]:
    data = path.read_bytes()
    seal, lines = _has_seals(data), data.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            told = _opened(line, seal=seal)
            record = msgspec.convert(_of_today(told), kinds)
            yield Entry(int(told.get("n", -1)), float(told.get("time_s", 0.0)), record)
        except (ValueError, AttributeError, TypeError) as error:  # msgspec's are ValueErrors
            if whole and number < len(lines):
                words = f"line {number} of {len(lines) - 1} is damaged ({error}): what happened there is not known"
                raise ConfigError(str(path), [words + "; restore the file, or begin a new session"]) from None


def _of_today(told: dict[str, Any]) -> dict[str, Any]:
    """Before there were EDX maps a step's end said no more than whether it was an image."""
    mark = told.get("mark")
    if isinstance(mark, dict) and "what" not in mark:
        return told | {"mark": {"what": "image" if mark.get("image") else "tilt-series", "type": "SeriesEnd"} | mark}
    return told


def records_of(folder: Path, kind: type[R]) -> list[R]:
    """All records of one kind in a session's journal, in order."""
    return [entry.record for entry in read_journal(folder) if isinstance(entry.record, kind)]
