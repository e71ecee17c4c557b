"""The guard's deputy: ``python -m controller.guard.deputy``, a process that does nothing until somebody dies.

It is started with the guard, has the drivers loaded but not connected, and watches both the guard (by its process) and
the controller (by a pipe that ends with it). When the guard is killed, or stands still, while it should be guarding,
the deputy makes the chip safe in its place; when the controller dies without a word, it blanks the beam.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from controller.guard.chip_readings import ChipReadings
from controller.guard.guard import Guard
from controller.guard.settings import DeputySettings, first_line
from drivers.clock import ScaledClock, WallClock
from drivers.interfaces import DriverContext, HeatingChip, Microscope
from drivers.limits import ChipLimits
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal, read_guard_journal
from drivers.recorded.records import BeamBlanked, GuardEnd, MakeSafeFailed
from drivers.registry import load

READY = "ready"
FAREWELL = b"farewell\n"
"""From a controller that ends in peace."""
_LOOK_S, _STANDS_STILL_S = 0.05, 0.3
_CONNECT_LIMIT_S, _COOLING_LIMIT_S = 5.0, 60.0


class Deputy:
    """Watches a guard and its controller."""

    def __init__(self, settings: DeputySettings) -> None:
        guard = settings.guard
        self._settings, self._folder = settings, SessionFolder(Path(guard.folder))
        self._clock = ScaledClock(guard.speed, guard.epoch)
        context = DriverContext(self._clock, guard.seed, self._folder.path, Path(guard.origin))
        self._chip: HeatingChip = load("chip", guard.backend, context, guard.options)
        self._microscope: Microscope = load("microscope", settings.microscope, context, settings.microscope_options)
        self._controller_died = False

    async def watch(self) -> int:
        """Until the guard has ended; 0 when the chip is known to be cold then, or was let go in peace."""
        loop = asyncio.get_running_loop()
        controller = asyncio.create_task(self._follow_controller(), name="controller")
        ended = asyncio.Event()
        try:
            pidfd = os.pidfd_open(self._settings.guard_pid)
        except ProcessLookupError:
            return await self._make_chip_safe("the guard died; its deputy took over")
        loop.add_reader(pidfd, ended.set)
        print(READY, flush=True)
        try:
            stopped_s = 0.0
            while not ended.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await ended.wait()
                stopped_s = stopped_s + _LOOK_S if stands_still(self._settings.guard_pid) else 0.0
                if stopped_s > _STANDS_STILL_S:
                    # It may come to life again: two guards on one chip would be worse than none.
                    os.kill(self._settings.guard_pid, signal.SIGKILL)
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            self._settings.guard.remove_sockets()
        in_peace = any(isinstance(e.record, GuardEnd) for e in read_guard_journal(self._folder.path))
        code = 0 if in_peace else await self._make_chip_safe("the guard died; its deputy took over")
        if not in_peace and not self._controller_died:
            return code  # the controller ends the session by itself
        await controller
        return code

    async def _follow_controller(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        if FAREWELL not in await reader.read():
            self._controller_died = True
            await self._blank_beam()

    async def _blank_beam(self) -> None:
        """Of a microscope that is there; one that was simulated went with its process."""
        if self._microscope.simulated:
            return
        journal = Journal(self._folder.guard_journal, self._clock)
        try:
            async with asyncio.timeout(_CONNECT_LIMIT_S):
                await self._microscope.connect()
                await self._microscope.make_safe()
            journal.write(BeamBlanked(reason="the controller died"))
        except Exception as error:  # noqa: BLE001  # a vendor's driver may raise anything; it is written down
            journal.write(MakeSafeFailed(message=f"the beam could not be blanked: {error or type(error).__name__}"))
        finally:
            journal.close()

    async def _make_chip_safe(self, reason: str) -> int:
        journal, readings = Journal(self._folder.guard_journal, self._clock), ChipReadings(self._folder.chip_readings)
        limits = ChipLimits(**self._settings.guard.limits)
        guard = Guard(self._chip, limits, journal, readings, WallClock(), period_s=_LOOK_S, heartbeat_limit_s=1.0)
        try:
            with suppress(Exception):  # what cannot be connected may still be switched off
                async with asyncio.timeout(_CONNECT_LIMIT_S):
                    await guard.connect()
            await guard.trip(reason)
            async with asyncio.timeout(_COOLING_LIMIT_S):
                await guard.until_cold()
            await guard.close()
        except Exception as error:  # noqa: BLE001  # it has tried for a minute; what is left is to say so
            journal.write(MakeSafeFailed(message=f"the deputy gives up: {str(error) or type(error).__name__}"))
            return 1
        finally:
            journal.write(GuardEnd(tripped=reason))
            journal.close()
            readings.close()
        return 0


def stands_still(pid: int) -> bool:
    """Whether a process has been stopped by a signal."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except OSError:
        return False


def main() -> int:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    deputy = Deputy(first_line(DeputySettings))
    return asyncio.run(deputy.watch())


if __name__ == "__main__":
    sys.exit(main())
