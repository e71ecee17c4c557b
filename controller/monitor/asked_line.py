"""A line that a person types: a note into the journal, a pulse that has been given by hand."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

STOP = "!"
"""Given instead of a line where a person asked for the emergency stop."""
_HINT = "Enter sends it, Esc leaves; after Esc, or as first letter, ! stops"


class AskedLine(ModalScreen[str | None]):
    """Gives what was typed, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "leave")]

    def __init__(self, question: str, example: str) -> None:
        super().__init__()
        self._question, self._example = question, example

    def compose(self) -> ComposeResult:
        with Vertical(id="asked"):
            yield Static(self._question, markup=False)
            yield Input(placeholder=self._example, max_length=500, id="answer")
            yield Static(_HINT, id="hint", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(" ".join(event.value.split()) or None)

    def on_input_changed(self, event: Input.Changed) -> None:
        """As the first thing typed it is the emergency stop; within a note it is a letter."""
        if event.value == STOP:
            self.dismiss(STOP)

    def action_leave(self) -> None:
        self.dismiss(None)
