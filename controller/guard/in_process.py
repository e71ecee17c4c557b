"""The guard of a dry run: in the controller's own process, on its stepped clock."""

from __future__ import annotations

import asyncio

from controller.guard.chip_readings import ChipReadings
from controller.guard.guard import Guard
from drivers.clock import Clock
from drivers.interfaces import HeatingChip
from drivers.limits import ChipLimits
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal

_PERIOD_S = 0.1
_HEARTBEAT_LIMIT_S = 2.0


class GuardInProcess(Guard):
    """A `GuardedChip` that keeps its own journal and readings."""

    def __init__(self, chip: HeatingChip, limits: ChipLimits, folder: SessionFolder, clock: Clock) -> None:
        self._own_journal, self._own_readings = Journal(folder.guard_journal, clock), ChipReadings(folder.chip_readings)
        super().__init__(
            chip,
            limits,
            self._own_journal,
            self._own_readings,
            clock,
            period_s=_PERIOD_S,
            heartbeat_limit_s=_HEARTBEAT_LIMIT_S,
        )

    @property
    def endpoints(self) -> dict[str, str]:
        return {}

    async def serve(self) -> None:
        """Nobody else asks."""
        await asyncio.Event().wait()

    async def close(self, *, beam_is_blanked: bool = True) -> None:
        """In a dry run there is no beam."""
        try:
            await super().close()
        finally:
            self._own_journal.close()
            self._own_readings.close()
