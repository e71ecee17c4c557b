"""Tilt series and EDX maps that appear in a folder: known to be whole before they are read, and never read half.

By polling, since network drives tell nobody of changes, and by this computer's own clock, since theirs may differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from analysis.edx.spectrum_image import SpectrumImage
from drivers.errors import ConfigError
from drivers.recorded.foreign_images import IMAGE_ENDINGS, ending_of
from drivers.recorded.tilt_series_file import ForeignSeries

MAP_ENDINGS = (".hspy", ".emd", ".bcf")
"""Of what may be a map."""
_MARKS = (".done", ".complete")
"""A file ``NAME.done`` beside a series says that it is whole."""
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload", ".filepart")
Found = ForeignSeries | SpectrumImage
Signature = tuple[tuple[str, int, int], ...]
"""Name, size and time of change of whatever belongs to a series."""


@dataclass(frozen=True, eq=False)
class Arrival:
    """A whole tilt series, or a whole map."""

    path: Path
    found: Found
    began: datetime
    """In the microscope's local time: by its images, else by when its first file was written."""
    ended: datetime | None
    """None where the images themselves do not tell their times."""


@dataclass
class _Seen:
    signature: Signature
    since_s: float
    tried: Signature | None = None
    told: str = ""
    taken: bool = False


@dataclass
class Arrivals:
    """Looks at a folder again and again.

    Parameters
    ----------
    read : gives what a file or folder holds, or raises `ConfigError`
    now_s : a clock that never runs back
    quiet_s : without a change, after which a file is taken to be whole
    series_quiet_s : the same of a series with fewer images than planned, which may still be growing
    planned : images of a series; 0 where it is not known
    tell : hears why something is not taken, once for each reason
    """

    folder: Path
    read: Callable[[Path], Found]
    now_s: Callable[[], float]
    quiet_s: float
    series_quiet_s: float
    planned: int
    tell: Callable[[str], None]
    _seen: dict[Path, _Seen] = field(default_factory=dict)
    _digests: dict[str, Path] = field(default_factory=dict)

    def look(self) -> list[Arrival]:
        """Series that are whole since the last look, in order of their acquisition; raises `ConfigError`."""
        if not self.folder.is_dir():
            raise ConfigError(str(self.folder), ["there is no such folder any more; is the network drive connected?"])
        found = []
        for path in self._candidates():
            signature = _signature(path)
            if not signature:
                continue
            seen = self._seen.setdefault(path, _Seen(signature, self.now_s()))
            if signature != seen.signature:
                if seen.taken:
                    self._once(seen, f"{path.name} has changed since it was analysed; analyse it anew when all is over")
                seen.signature, seen.since_s = signature, self.now_s()
                continue
            arrival = None if seen.taken or seen.tried == self._try(path, seen) else self._read(path, seen)
            if arrival is not None:
                found.append(arrival)
        return sorted(found, key=lambda a: a.began)

    def _try(self, path: Path, seen: _Seen) -> Signature | None:
        """What would be read now, or what was tried already where it is too early."""
        quiet_s = self.now_s() - seen.since_s
        if quiet_s >= self.quiet_s or _marked(path):
            # Once more when it has been quiet for long: a series may be shorter than planned.
            return (*seen.signature, ("long", int(quiet_s >= self.series_quiet_s or _marked(path)), 0))
        return seen.tried

    def _read(self, path: Path, seen: _Seen) -> Arrival | None:
        seen.tried = self._try(path, seen)
        try:
            found = self.read(path)
        except ConfigError as error:
            self._once(seen, f"{path.name} is not taken yet: {'; '.join(error.problems)}")
            return None
        if _signature(path) != seen.signature:
            return None  # it has changed while it was read
        long_quiet = self.now_s() - seen.since_s >= self.series_quiet_s
        lacking = isinstance(found, ForeignSeries) and len(found.images) < self.planned
        if lacking and not (long_quiet or _marked(path)):
            self._once(seen, f"{path.name} has {_count(found)} of {self.planned} images; it may still grow")
            return None
        seen.taken = True
        digest = _digest(found)
        if digest in self._digests:
            self._once(seen, f"{path.name} is {self._digests[digest].name} once more, count by count; it is left out")
            return None
        self._digests[digest] = path
        if lacking:
            self.tell(f"{path.name} has only {_count(found)} of {self.planned} images")
        return self._arrived(path, found, seen.signature)

    def _arrived(self, path: Path, found: Found, signature: Signature) -> Arrival:
        if isinstance(found, ForeignSeries) and found.acquired is not None:
            times = [at.replace(tzinfo=None) for at in found.acquired]
            return Arrival(path, found, min(times), max(times))
        # Of a stack written at its end: no pulse is given during a series, so those before its end are those before it.
        changed = [ns * 1e-9 for name, _, ns in signature if path.is_dir() or name == path.name]
        words = "does not tell when it was taken; the times of its files are, which a copy may have changed"
        self.tell(f"{path.name} {words}")
        return Arrival(path, found, datetime.fromtimestamp(min(changed)), None)

    def _candidates(self) -> Iterator[Path]:
        """Stacks in the folder, and folders in it of single images."""
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith(".") or path.name.lower().endswith(_UNFINISHED):
                continue
            if path.is_dir() or ending_of(path) in (*IMAGE_ENDINGS, *MAP_ENDINGS):
                yield path

    def _once(self, seen: _Seen, words: str) -> None:
        if seen.told != words:
            seen.told = words
            self.tell(words)


def _count(found: Found) -> int:
    return len(found.images) if isinstance(found, ForeignSeries) else 1


def _digest(found: Found) -> str:
    data = (found.images, found.tilts_deg) if isinstance(found, ForeignSeries) else (found.counts,)
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in data)).hexdigest()


def _signature(path: Path) -> Signature:
    """Of a stack with the files that bear its name, or of all images in a folder; empty where there is nothing yet."""
    try:
        if path.is_dir():
            files = [p for p in path.iterdir() if p.is_file()]
            if not any(ending_of(p) in IMAGE_ENDINGS for p in files):
                return ()
        else:
            stem = path.name.partition(".")[0]
            files = [p for p in path.parent.iterdir() if p.is_file() and p.name.partition(".")[0] == stem]
        stats = [(p.name, p.stat()) for p in sorted(files)]
    except OSError:  # a file that was moved just now
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def _marked(path: Path) -> bool:
    return any(path.with_name(path.name + mark).exists() for mark in _MARKS)
