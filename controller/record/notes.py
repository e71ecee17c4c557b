"""Notes of people, kept in the journal."""

from __future__ import annotations

from collections.abc import Callable

from drivers.recorded.journal import Journal
from drivers.recorded.records import NoteWritten

NOTE = "note "
"""How such a command begins."""
_LONGEST = 500


def take_note(command: str, journal: Journal, log: Callable[[str, str], None]) -> str:
    """Write it down, on one line, and answer in words."""
    text = " ".join("".join(c if c.isprintable() else " " for c in command[len(NOTE) :]).split())[:_LONGEST]
    if not text:
        return "a note needs words"
    journal.write(NoteWritten(text=text))
    log("info", f"note: {text}")
    return "noted"
