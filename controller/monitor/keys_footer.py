"""The line of keys that act now; a click on one does what it does."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.events import MouseDown
from textual.screen import Screen

from controller.monitor.panels.drawn import Words

_GO_FIRST, _STAY = ("n", "1", "z", "a", "p", "r"), ("question_mark", "q")
"""Where there is no room for all: first what acts on every sheet; never what tells of all others, and leaves."""


class _Shown(NamedTuple):
    key: str
    name: str
    does: str

    @property
    def width(self) -> int:
        return len(self.name) + len(self.does) + 3


class KeysFooter(Words):
    """One line of words.

    Textual's own has a widget for each key; to make them anew whenever a sheet is turned takes longer than the sheet.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys-footer--key"}
    ALLOW_SELECT = False

    _told: tuple[_Shown, ...] = ()
    """What the line says: what a click goes by."""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def on_resize(self) -> None:
        self._changed(self.screen)

    def _changed(self, screen: Screen[object]) -> None:
        if screen is not self.screen:
            return
        self._told = self.keys
        pressed = self.get_component_rich_style("keys-footer--key")
        words = Text()
        for shown in self._told:
            words.append(f" {shown.name} ", style=pressed)
            words.append(f"{shown.does} ")
        words.rstrip()
        self.say(words)

    @property
    def keys(self) -> tuple[_Shown, ...]:
        """That act now, as far as there is room; Textual's is for every key of a binding, this for its first."""
        acting = [a.binding for a in self.screen.active_bindings.values() if a.binding.show]
        first = {b.action: b for b in reversed(acting)}
        told = [_Shown(b.key, self.app.get_key_display(b), b.description) for b in acting if first[b.action] is b]
        others = (shown.key for shown in reversed(told) if shown.key not in (*_GO_FIRST, *_STAY))
        for key in (*_GO_FIRST, *others):
            if sum(shown.width for shown in told) - 1 <= self.size.width:  # but for the last blank
                break
            told = [shown for shown in told if shown.key != key]
        return tuple(told)

    def on_mouse_down(self, event: MouseDown) -> None:
        end = 0
        for shown in self._told:
            end += shown.width
            if event.x < end:
                self.app.simulate_key(shown.key)
                return
