"""The append-only log of a session: intent before, effect after every hardware action; fsynced line by line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from drivers.clock import Clock
from drivers.errors import RecordingError


class Journal:
    """One JSON object a line: ``n``, ``time_s`` and ``what``, with details."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._file = path.open("ab", buffering=0)
        self._n = 0

    def write(self, what: str, **details: Any) -> None:
        """Append one record; when it returns, the record is on disk."""
        record = {"n": self._n, "time_s": round(self._clock.now(), 6), "what": what, **details}
        self._n += 1
        try:
            self._file.write(json.dumps(record, allow_nan=False).encode() + b"\n")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RecordingError(
                f"the journal cannot be written ({error}); free space on the disk, then resume"
            ) from error

    def close(self) -> None:
        self._file.close()
