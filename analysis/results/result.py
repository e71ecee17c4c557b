"""What every kind of result says of itself, in one place: its key, and itself in JSON, in words and as a row.

A new kind is a file beside this one, named in the union of ``analysis/results/__init__.py``: events, console, screen,
summary and files loop over what stands here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import msgspec

from analysis.results.estimate import ResultValue


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all kinds; a kind that has nothing to say somewhere inherits the silence."""

    @property
    def place(self) -> tuple[str, ...]:
        """A newer result takes the place of an older one with the same, in the memory for late screens."""
        return (type(self).__name__, *(getattr(self, of) for of in ("particle", "step") if hasattr(self, of)))

    @property
    def identity(self) -> object:
        """By which a result is known again when an analysis that was started anew gives it once more."""
        return self.place

    @property
    def subject(self) -> tuple[str, ...] | None:
        """What it speaks of at the end of a session; of several the newest speaks."""
        return None

    @property
    def passing(self) -> bool:
        """Whether it is for the screen only: a later one takes its place, and no file keeps it."""
        return False

    @property
    def finished_step(self) -> str | None:
        """The step whose analysis is complete with it."""
        return None

    def add_to(self, summary: dict[str, Any]) -> None:
        """Write what it says into the JSON of a run, as docs/results.md has it."""

    def words(self) -> Iterator[str]:
        """What it says to people, line by line."""
        yield from ()

    def remarks(self) -> Iterator[str]:
        """What somebody who watches should hear of at once, beside the numbers."""
        yield from ()

    def closing_words(self, truth: Mapping[str, Any]) -> Iterator[str]:
        """What it says when the session is over; `truth` is what a twin knows of the particles, by name."""
        yield from ()

    def quantities(self) -> Iterator[ResultValue]:
        """Its numbers, one by one."""
        yield from ()

    def without_pictures(self) -> Self | None:
        """Itself for where pictures cannot go; None when nothing is left."""
        return self

    def row(self) -> dict[str, object] | None:
        """A line of ``results.csv`` by column."""
        return None


def of_particle(summary: dict[str, Any], name: str) -> dict[str, Any]:
    """The entry of a particle in the JSON of a run."""
    entry: dict[str, Any] = summary["particles"].setdefault(name, {"states": []})
    return entry
