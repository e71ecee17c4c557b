"""The line of keys that act now."""

from __future__ import annotations

from textual.widgets import Footer


class KeysFooter(Footer):
    """Built anew only where other keys act than before.

    What it drops is let go at once. Textual 8 keeps every key that a footer ever showed until `compact` changes, which
    it never does (Textualize/textual, issue 6666): after some hundred keys, garbage collection held the screen up for a
    third of a second each time.
    """

    _shown: tuple[tuple[object, ...], ...] = ()

    async def recompose(self) -> None:
        acting = tuple(
            (key, active.binding.description, active.enabled)
            for key, active in self.screen.active_bindings.items()
            if active.binding.show
        )
        if acting == self._shown:
            return
        self._shown = acting
        await super().recompose()
        self.mutate_reactive(Footer.compact)
