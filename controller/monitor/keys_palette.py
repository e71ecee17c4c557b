"""What may be done now, found by its words instead of its key (Ctrl-P)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.app import App, SystemCommand
from textual.command import CommandPalette
from textual.screen import Screen
from textual.widgets import Input

from controller.monitor.asked_line import STOP


class KeysPalette(CommandPalette):
    """As everywhere, only that the stop is heard: keys of letters go to what is typed."""

    async def on_input_changed(self, event: Input.Changed) -> None:
        """As the first thing typed it is the emergency stop, as for any line that is asked."""
        if event.value == STOP:
            await self.run_action("escape")
            await self.run_action("app.send('stop')")


def commands_of_keys(app: App[None], screen: Screen[object]) -> Iterator[SystemCommand]:
    """The app's own keys, as far as they act on what `screen` shows now."""
    for active in screen.active_bindings.values():
        bound = active.binding
        if active.node is app and active.enabled and not bound.system:
            key = bound.key_display if bound.key_display and not bound.key.isdigit() else bound.key
            yield SystemCommand(bound.tooltip or bound.description, f"key {key}", partial(app.run_action, bound.action))
