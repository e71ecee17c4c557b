"""The guard's deputy: ``python -m controller.guard.deputy``, a process that does nothing until somebody dies.

It is started with the guard, has the drivers loaded but not connected, and watches both the guard (by its process) and
the controller (by a pipe that ends with it). When the guard is killed, or stands still, while it should be guarding,
the deputy makes the chip safe in its place; when the controller dies without a word, it blanks the beam.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from controller.guard.chip_readings import ChipReadings
from controller.guard.guard import Guard
from controller.guard.settings import COOL, HOT, PEACE, DeputySettings, first_line
from drivers.clock import ScaledClock, WallClock
from drivers.device_thread import ChipInThread, DeviceThread, MicroscopeInThread, stuck
from drivers.errors import AlloyscopeError
from drivers.interfaces import DriverContext, HeatingChip, Microscope
from drivers.limits import ChipLimits
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal
from drivers.recorded.records import BeamBlanked, GuardEnd, GuardRecord, MakeSafeFailed
from drivers.registry import load

READY = "ready"
FAREWELL = b"farewell\n"
"""From a controller that ends in peace."""
_LOOK_S, _STANDS_STILL_S = 0.05, 0.3
_CHIP_LIMIT_S, _MICROSCOPE_LIMIT_S = 30.0, 60.0
"""For connecting, as long as the session gives them."""
_OFF_LIMIT_S, _COOLING_LIMIT_S, _AGAIN_S = 2.0, 20.0, 0.5
_HANGS_HOT_S, _HANGS_COOL_S = 2.0, 15.0
"""Silence of a guard's event loop that is taken for a hang: on a busy computer it may well be late."""


class Deputy:
    """Watches a guard and its controller."""

    def __init__(self, settings: DeputySettings) -> None:
        guard = settings.guard
        self._settings, self._folder = settings, SessionFolder(Path(guard.folder))
        self._clock = ScaledClock(guard.speed, guard.epoch)
        self._limits = ChipLimits(**guard.limits)
        context = DriverContext(self._clock, guard.seed, self._folder.path, Path(guard.origin), limits=self._limits)
        self._context = context
        self._chip = self._loaded_chip()
        self._microscope = self._loaded_microscope()
        self._controller_died = False
        self._lock = self._locked()

    async def watch(self) -> int:
        """Until the guard has ended and the chip is known to be cold, or was let go in peace."""
        loop = asyncio.get_running_loop()
        controller = asyncio.create_task(self._follow_controller(), name="controller")
        ended, life = asyncio.Event(), SignOfLife(self._settings.guard.alive_fd)
        try:
            pidfd = os.pidfd_open(self._settings.guard_pid)
        except ProcessLookupError:
            await self._make_chip_safe("the guard died; its deputy took over")
            return 0
        loop.add_reader(pidfd, ended.set)
        print(READY, flush=True)
        try:
            stopped_s = 0.0
            while not ended.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await ended.wait()
                stopped_s = stopped_s + _LOOK_S if stands_still(self._settings.guard_pid) else 0.0
                if stopped_s > _STANDS_STILL_S or life.silent():
                    # It may come to life again: two guards on one chip would be worse than none.
                    os.kill(self._settings.guard_pid, signal.SIGKILL)
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
        # By the pipe, not by the disk, which may be what the guard has died of.
        in_peace = life.ended_in_peace()
        if not in_peace:
            await self._make_chip_safe("the guard died; its deputy took over")
        self._settings.guard.remove_sockets()
        if not in_peace and not self._controller_died:
            return 0  # the controller ends the session by itself
        await controller
        return 0

    def _loaded_microscope(self) -> Microscope | None:
        settings = self._settings
        if not settings.microscope:
            return None
        microscope: Microscope = load("microscope", settings.microscope, self._context, settings.microscope_options)
        return microscope

    def _loaded_chip(self) -> HeatingChip:
        guard = self._settings.guard
        chip: HeatingChip = load("chip", guard.backend, self._context, guard.options)
        return chip

    async def _follow_controller(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        if FAREWELL not in await reader.read():
            self._controller_died = True
            await self._blank_beam()

    async def _blank_beam(self) -> None:
        """Of a microscope that is there, for as long as it takes; one that was simulated went with its process."""
        while self._microscope is not None and not self._microscope.simulated:
            thread = DeviceThread("microscope")
            microscope = MicroscopeInThread(self._microscope, thread)
            try:
                async with asyncio.timeout(_MICROSCOPE_LIMIT_S):
                    await microscope.connect()
                    await microscope.make_safe()
                self._note(BeamBlanked(reason="the controller died, or could not blank it"))
                return
            except Exception as error:  # noqa: BLE001  # a vendor's driver may raise anything; it is written down
                self._note(MakeSafeFailed(message=f"the beam could not be blanked: {error or type(error).__name__}"))
            finally:
                await thread.close()
            await asyncio.sleep(_AGAIN_S)
            with suppress(Exception):  # what cannot be built anew is tried again as it is
                self._microscope = self._loaded_microscope()

    async def _make_chip_safe(self, reason: str) -> None:
        """For as long as it takes; a driver that fails or hangs is left behind for a fresh one."""
        kept: tuple[Journal, ChipReadings] | None = None
        while True:
            thread = DeviceThread("chip")
            chip = ChipInThread(self._chip, thread)
            try:
                # Off before anything else: the disk may be what the guard has died of.
                with suppress(Exception):  # what cannot be connected may still be switched off
                    async with asyncio.timeout(_CHIP_LIMIT_S):
                        await chip.connect()
                with suppress(Exception):
                    async with asyncio.timeout(_OFF_LIMIT_S):
                        await chip.make_safe()
                kept = kept or self._files()
                guard = Guard(chip, self._limits, *kept, WallClock(), period_s=_LOOK_S, heartbeat_limit_s=1.0)
                async with asyncio.timeout(_COOLING_LIMIT_S):
                    await guard.trip(reason)
                    await guard.until_cold()
                with suppress(Exception):  # it is as safe as it gets
                    async with asyncio.timeout(_OFF_LIMIT_S):
                        await chip.close()
                break
            except Exception as error:  # noqa: BLE001  # it tries until a person ends it
                self._note(MakeSafeFailed(message=f"the deputy tries anew: {error or type(error).__name__}"))
            finally:
                await thread.close()
            await asyncio.sleep(_AGAIN_S)
            with suppress(Exception):  # what cannot be built anew is tried again as it is
                self._chip = self._loaded_chip()
        self._note(GuardEnd(tripped=reason))
        for file in kept:
            file.close()

    def _locked(self) -> IO[str] | None:
        """By which `alloyscope resume` knows that this deputy has not finished with the chip."""
        with suppress(OSError):
            lock = self._folder.deputy_lock.open("w")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        return None

    def _files(self) -> tuple[Journal, ChipReadings]:
        try:
            return Journal(self._folder.guard_journal, self._clock), ChipReadings(self._folder.chip_readings)
        except (AlloyscopeError, OSError):
            nowhere = Path(os.devnull)
            return Journal(nowhere, self._clock), ChipReadings(nowhere)

    def _note(self, record: GuardRecord) -> None:
        """A lost disk must keep nobody from the chip."""
        with suppress(AlloyscopeError, OSError):
            journal = Journal(self._folder.guard_journal, self._clock)
            journal.write(record)
            journal.close()


class SignOfLife:
    """What a guard's event loop writes into a pipe; one that stands still, whatever holds it, writes nothing."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._heard_s: float | None = None
        self._last = COOL
        if fd >= 0:
            os.set_blocking(fd, False)

    def _hear(self) -> None:
        with suppress(OSError):
            while heard := os.read(self._fd, 1 << 16):
                self._heard_s, self._last = time.monotonic(), heard[-1:]

    def ended_in_peace(self) -> bool:
        """Whether its last word was that."""
        self._hear()
        return self._last == PEACE

    def silent(self) -> bool:
        """Whether nothing has come for too long, since there was something for the first time."""
        self._hear()
        if self._heard_s is None:
            return False
        return time.monotonic() - self._heard_s > (_HANGS_HOT_S if self._last == HOT else _HANGS_COOL_S)


def stands_still(pid: int) -> bool:
    """Whether a process has been stopped by a signal."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except OSError:
        return False


def main() -> int:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s", level=logging.INFO)
    deputy = Deputy(first_line(DeputySettings))
    code = asyncio.run(deputy.watch())
    if stuck():
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
