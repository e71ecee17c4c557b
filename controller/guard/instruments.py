"""The devices of a session: its microscope, its X-ray detector, and its chip behind a guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.guard.client import GuardClient
from controller.guard.guarded_chip import GuardedChip
from controller.guard.in_process import GuardInProcess
from controller.guard.settings import GuardSettings
from controller.plan.session_file import SessionFile
from drivers.clock import Clock, ScaledClock, within
from drivers.device_thread import DeviceThread, EdxInThread, MicroscopeInThread
from drivers.interfaces import Device, DriverContext, EdxDetector, Microscope
from drivers.persistence import TRIES, persistently
from drivers.recorded.folder import SessionFolder
from drivers.registry import connect_all, load

_STOP_LIMIT_S = 5.0
_CONNECT_LIMIT_S = 60.0
_CLOSE_LIMIT_S = 5.0
_DARK_LIMIT_S = 3.0
_CLOSING_TRIES = 6


class Instruments:
    """Built, but not connected, from what a session file names.

    In real time the drivers of microscope and detector run in one thread of their own; on the stepped clock, which
    jumps when its loop has nothing left to do, they run where everything does.
    """

    def __init__(self, file: SessionFile, folder: SessionFolder, origin: Path, clock: Clock) -> None:
        context = DriverContext(clock, file.seed, folder.path, origin, limits=file.chip.limits)
        self._clock = clock
        self._thread = DeviceThread("microscope") if isinstance(clock, ScaledClock) else None
        microscope: Microscope = load("microscope", file.microscope.backend, context, file.microscope.options)
        edx: EdxDetector | None = None
        if file.edx is not None:
            edx = load("edx", file.edx.backend, replace(context, microscope=microscope), file.edx.options)
        if self._thread is not None:
            microscope = MicroscopeInThread(microscope, self._thread)
            edx = None if edx is None else EdxInThread(edx, self._thread)
        self.microscope, self.edx = microscope, edx
        self.on_dark: Callable[[], None] = lambda: None
        """Called when the beam has been blanked for good."""
        self.in_flight_s: Callable[[], float] = lambda: 0.0
        """How long a frame that is being scanned may keep a microscope deaf."""
        self.chip = _guarded(file, folder, context, real_beam=not microscope.simulated)

    async def connect(self) -> None:
        """All at once; raises one `NotConnected` with all failures."""
        limit_s, devices = _CONNECT_LIMIT_S, [self.chip, *self._column]
        await connect_all({d.name: within(self._clock, limit_s, d.name, "connect", d.connect()) for d in devices})

    async def stop(self) -> list[str]:
        """Emergency: the chip off and the beam blanked, each whatever becomes of the other; what failed, in words."""
        stopping = within(self._clock, _STOP_LIMIT_S, "chip", "stop", self.chip.emergency_stop())
        off, dark = await asyncio.gather(_failures(stopping), self._all_dark([self._darkened(d) for d in self._column]))
        return [str(error) for error in off + dark]

    async def close(self) -> None:
        """Make everything safe, then close it; one failure never keeps the others from being tried.

        Where the beam may still be on, the guard's deputy, which has a driver of its own, blanks it.

        Raises
        ------
        ExceptionGroup
            Of whatever failed.
        """
        clock = self._clock
        dark = [self._darkened(device, tries=_CLOSING_TRIES) for device in self._column]
        off = within(clock, _STOP_LIMIT_S, "chip", "switch off", self.chip.make_safe())  # its closing tells how it went
        failures, _ = await asyncio.gather(self._all_dark(dark), _failures(off))
        closing = [within(clock, _CLOSE_LIMIT_S, d.name, "close", d.close()) for d in reversed(self._column)]
        failures += await _failures(self.chip.close(beam_is_blanked=not failures), *closing)
        if self._thread is not None:
            await self._thread.close()
        if failures:
            raise ExceptionGroup("; ".join(map(str, failures)), failures)

    async def _all_dark(self, calls: list[Coroutine[Any, Any, None]]) -> list[Exception]:
        failures = await _failures(*calls)
        if not failures:
            self.on_dark()
        return failures

    async def _darkened(self, device: Device, *, tries: int = TRIES) -> None:
        def once() -> Coroutine[Any, Any, None]:
            limit_s = _DARK_LIMIT_S + self.in_flight_s()
            return within(self._clock, limit_s, device.name, "blank the beam", device.make_safe())

        await persistently(self._clock, once, lambda _: None, tries=tries)

    @property
    def _column(self) -> list[Device]:
        return [self.microscope, *([] if self.edx is None else [self.edx])]


async def _failures(*calls: Coroutine[Any, Any, None]) -> list[Exception]:
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return [o for o in outcomes if isinstance(o, Exception)]


def _guarded(file: SessionFile, folder: SessionFolder, context: DriverContext, *, real_beam: bool) -> GuardedChip:
    """In real time the guard is a process of its own; on the stepped clock it must live in this one."""
    section, clock = file.chip, context.clock
    if not isinstance(clock, ScaledClock):
        chip = load("chip", section.backend, context, section.options)
        return GuardInProcess(chip, section.limits, folder, clock)
    return GuardClient(
        GuardSettings(
            folder=str(folder.path.resolve()),
            origin=str(context.origin.resolve()),
            backend=section.backend,
            options=section.options,
            limits=section.limits.model_dump(),
            seed=file.seed,
            speed=clock.speed,
            epoch=clock.epoch,
        ),
        file.microscope.backend if real_beam else "",
        file.microscope.options,
    )
