"""The line of keys that act now."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Footer


class KeysFooter(Footer):
    """Built anew only where other keys act than before.

    What it drops is let go at once. Textual 8 keeps every key that a footer ever showed until `compact` changes, which
    it never does (Textualize/textual, issue 6666): after some hundred keys, garbage collection held the screen up for a
    third of a second each time.
    """

    _shown: tuple[tuple[object, ...], ...] = ()

    def compose(self) -> ComposeResult:
        # Before it knows of any keys, it shows none.
        self._shown = self._acting() if self._bindings_ready else ()
        yield from super().compose()

    async def recompose(self) -> None:
        if not self.is_attached or self._acting() == self._shown:
            return
        await super().recompose()
        self.mutate_reactive(Footer.compact)

    def _acting(self) -> tuple[tuple[object, ...], ...]:
        return tuple(
            (key, active.binding.description, active.enabled)
            for key, active in self.screen.active_bindings.items()
            if active.binding.show
        )
