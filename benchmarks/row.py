"""A row of the table of `make bench`: our way, a peer's, on the same data and in the same run."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One comparison.

    Parameters
    ----------
    work : what was done, in words
    ours, theirs : of the same, in `unit`; no peer's where there is none
    unit : ``s``, ``CPU s`` (all threads together) or ``GB/s``
    peer : whose figure `theirs` is
    error, their_error : of what was found; nan where nothing can be wrong
    bar : what was asked for, in words
    held : whether `bar` is; None where there is none
    """

    work: str
    ours: float
    unit: str
    peer: str = ""
    theirs: float = math.nan
    error: float = math.nan
    their_error: float = math.nan
    bar: str = ""
    held: bool | None = None

    @property
    def ratio(self) -> float:
        """How many times better ours is."""
        return self.ours / self.theirs if self.unit == "GB/s" else self.theirs / self.ours

    def __str__(self) -> str:
        told = f"| {self.work} | {self.ours:.3g} {self.unit} "
        told += f"| {self.peer}: {self.theirs:.3g} {self.unit} | {self.ratio:.3g} " if self.peer else "| | "
        told += f"| {_pair(self.error, self.their_error)} | {self.bar}"
        return told + ("" if self.held is None else ": held" if self.held else ": **not held**") + " |"


def installed(peer: str) -> bool:
    """Whether a package to be held against is there; `make bench` installs them all."""
    return find_spec(peer) is not None


def without(peer: str) -> str:
    """In place of a bar."""
    return f"{peer} is not installed: `make bench`"


HEAD = "| work | ours | peer | times better | error: ours, peer's | bar |\n|---|---|---|---|---|---|"


def _pair(ours: float, theirs: float) -> str:
    return ", ".join(f"{e:.3g}" for e in (ours, theirs) if not math.isnan(e))


def write_json(path: Path, rows: list[Row], about: dict[str, object]) -> None:
    """With a null for what is not there."""
    told = [{k: None if v != v else v for k, v in asdict(r).items()} for r in rows]  # nan
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about | {"rows": told}, indent=1) + "\n")


def median_s(job: Callable[[], object], repeats: int = 3, clock: Callable[[], float] = time.perf_counter) -> float:
    """Of so many runs; `time.process_time` as a clock counts all threads."""
    taken = []
    for _ in range(repeats):
        began = clock()
        job()
        taken.append(clock() - began)
    return sorted(taken)[len(taken) // 2]
