"""All keys of the screen, those of other sheets and states too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

_MORE = (
    ("arrows", "on 3: state and particle; on 4: a step, to skip or change before it begins, or take again"),
    ("1-6", "now, results, slices, plan, log, EDX"),
    ("Ctrl-P", "what may be done now, found by its words"),
)


class KeysHelp(ModalScreen[None]):
    """Gone by any of the keys that ask for it or leave."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "back"),
        Binding("exclamation_mark", "stop", "EMERGENCY STOP"),
    ]

    def __init__(self, bindings: Sequence[BindingType]) -> None:
        super().__init__()
        self._keys = [b for b in bindings if isinstance(b, Binding) and not b.key.isdigit()]

    async def action_stop(self) -> None:
        """Nothing that is shown keeps the stop from being heard."""
        self.dismiss(None)
        await self.run_action("app.send('stop')")

    def compose(self) -> ComposeResult:
        told = [
            (b.key_display or ("Esc" if b.key == "escape" else b.key), b.tooltip or b.description) for b in self._keys
        ]
        wide = max(len(key) for key, _ in (*told, *_MORE))
        with VerticalScroll(id="keys"):
            lines = [
                Text(f"{key:>{wide}}  ", style="bold") + Text(words, style="none") for key, words in (*told, *_MORE)
            ]
            yield Static(Text("\n").join(lines))
