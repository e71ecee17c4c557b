"""What all panels can do."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from controller.monitor.state import WatchedSession


@runtime_checkable
class Panel(Protocol):
    """A widget that draws itself from what the screen knows of the session."""

    def draw(self, session: WatchedSession) -> None: ...
