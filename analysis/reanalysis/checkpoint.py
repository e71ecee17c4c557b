"""An analysis of old data that was cut goes on from its last kept series when it is asked for again."""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np

import analysis
from analysis.live.pipeline import Pipeline
from analysis.live.settings import AnalysisSettings
from analysis.results import Result
from drivers.frames import Frame, SeriesEnd, StreamItem

_EVERY_S = 10.0
"""What takes less is done again."""
_FORGOTTEN_S = 30 * 86400.0

Found = tuple[int, Pipeline, list[Result]]
Kept = TypeVar("Kept")


class Checkpoint:
    """How far an analysis has come, in the user's own cache folder and not with the data.

    It is a pickle, which may run code when it is read, and data come from anywhere. It is found by what went into it:
    settings, the program, and every item that was analysed. So a manifest with a series more goes on as well, while
    other data, settings or another version begin anew.
    """

    def __init__(self, settings: AnalysisSettings, items: Sequence[StreamItem]) -> None:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._folder = home / "alloyscope" / "analyses"
        self._settings = settings
        self._names, whole = _names(settings, items)
        self._whole = self._folder / f"{whole}.finished"
        self._kept: Path | None = None
        self._kept_at_s = time.monotonic()

    def found(self) -> Found:
        """How many items are analysed, by which pipeline and with what results; none where nothing is kept."""
        self._forget_old()
        for number in sorted(self._names, reverse=True):
            path = self._folder / self._names[number]
            if not path.is_file():
                continue
            self._kept = path
            # One that was damaged is worth no more than none, whatever is wrong with it.
            with suppress(Exception), path.open("rb") as file:
                pipeline, results = pickle.load(file)  # ours: the folder is the user's alone
                return number, pipeline, results
        return 0, Pipeline(self._settings), []

    def keep(self, number: int, pipeline: Pipeline, results: list[Result]) -> None:
        """After the series that ended with so many items, unless the last was kept a moment ago."""
        if time.monotonic() - self._kept_at_s < _EVERY_S:
            return
        path = self._folder / self._names[number]
        if self._write(path, (pipeline, results)):
            self.forget()
            self._kept = path
        self._kept_at_s = time.monotonic()

    @property
    def kept(self) -> bool:
        """Whether anything is."""
        return self._kept is not None

    def finished(self, kind: type[Kept]) -> Kept | None:
        """What `finish` kept of the whole of it; nothing where it did not."""
        with suppress(Exception), self._whole.open("rb") as file:
            found = pickle.load(file)  # ours, as above
            return found if isinstance(found, kind) else None
        return None

    def finish(self, found: object) -> None:
        """Keep what became of the whole of it, in place of how far it was."""
        if self._write(self._whole, found):
            self.forget()

    def _write(self, path: Path, found: object) -> bool:
        partly = path.with_suffix(".part")
        with suppress(OSError):  # a full disk or a home that cannot be written to takes nothing but this convenience
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(partly, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                pickle.dump(found, file, protocol=pickle.HIGHEST_PROTOCOL)
            partly.replace(path)
            return True
        return False

    def forget(self) -> None:
        """What is done needs no checkpoint."""
        if self._kept is not None:
            with suppress(OSError):
                self._kept.unlink()
            self._kept = None

    def _forget_old(self) -> None:
        with suppress(OSError):
            for path in self._folder.iterdir():
                if time.time() - path.stat().st_mtime > _FORGOTTEN_S:
                    path.unlink()


def _names(settings: AnalysisSettings, items: Sequence[StreamItem]) -> tuple[dict[int, str], str]:
    """For each end of a series, by how many items came until then: a name that says all that went into it.

    And one for all of them, the last of which may be a cut series without an end.
    """
    digest = hashlib.blake2b(settings.model_dump_json().encode() + _program(), digest_size=20)
    names = {}
    for number, item in enumerate(items, 1):
        if isinstance(item, Frame):
            digest.update(repr(item.header).encode())
            for part in (item.image, item.photons):
                if part is not None:
                    digest.update(f"{part.dtype}{part.shape}".encode())
                    digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(repr(item).encode())
        if isinstance(item, SeriesEnd):
            names[number] = f"{digest.hexdigest()}.pickle"
    return names, digest.hexdigest()


@cache
def _program() -> bytes:
    """What another version of the analysis has otherwise."""
    root = Path(analysis.__file__).parent
    digest = hashlib.blake2b(digest_size=20)
    for path in sorted(root.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()
