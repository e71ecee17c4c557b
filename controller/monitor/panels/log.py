"""What was told, line by line, broken where its room ends: also lines from before it was shown, or resized."""

from __future__ import annotations

from collections import deque

from rich.text import Text
from textual.events import Resize
from textual.widgets import RichLog


class SessionLog(RichLog):
    """The newest at the end."""

    def __init__(self, *, id: str, most: int) -> None:
        super().__init__(id=id, wrap=True, max_lines=most)
        self._told: deque[Text] = deque(maxlen=most)
        self._broken_at: int | None = None
        """The width that its lines are broken for."""

    def say(self, line: Text) -> None:
        """One more; while it is not shown, none has a width to be broken at."""
        self._told.append(line)
        if self._broken_at and all(above.display for above in self.ancestors_with_self):
            self._break(line)
        else:
            self._broken_at = None

    def on_resize(self, event: Resize) -> None:
        """Break all of them anew."""
        if event.size.width and event.size.width != self._broken_at:
            self._broken_at = event.size.width
            self.clear()
            for line in self._told:
                self._break(line)

    def _break(self, line: Text) -> None:
        # Unless it is told, RichLog goes by the console's width, which is another's where there is no terminal.
        self.write(line, width=max(1, self.scrollable_content_region.width))
