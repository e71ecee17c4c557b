"""A chip behind a guard, as the session sees it: the guard may run in this process or in one of its own."""

from __future__ import annotations

from typing import Protocol

from drivers.interfaces import HeatingChip


class GuardedChip(HeatingChip, Protocol):
    """A heating chip that is made safe when its controller falls silent."""

    @property
    def endpoints(self) -> dict[str, str]:
        """Where others reach the guard past the controller; empty where they cannot."""
        ...

    async def serve(self) -> None:
        """What must run, until cancelled, before anything can be asked."""
        ...

    async def watch(self) -> None:
        """What must run, until cancelled, once it is connected; raises `InterlockTripped`."""
        ...

    def beat(self) -> None:
        """The controller is alive."""
        ...

    async def emergency_stop(self) -> None:
        """Off at once, and for the rest of the session."""
        ...

    async def close(self, *, beam_is_blanked: bool = True) -> None:
        """Let go of the chip once it is cold, and, where that is not known, have the beam blanked."""
        ...
