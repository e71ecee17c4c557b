"""The devices of a session: its microscope, its X-ray detector, and its chip behind a guard."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from controller.guard.client import GuardClient
from controller.guard.guarded_chip import GuardedChip
from controller.guard.in_process import GuardInProcess
from controller.guard.settings import GuardSettings
from controller.plan.session_file import SessionFile
from drivers.clock import Clock, ScaledClock, within
from drivers.interfaces import DriverContext, EdxDetector, Microscope
from drivers.recorded.folder import SessionFolder
from drivers.registry import connect_all, load

_STOP_LIMIT_S = 5.0


class Instruments:
    """Built, but not connected, from what a session file names."""

    def __init__(self, file: SessionFile, folder: SessionFolder, origin: Path, clock: Clock) -> None:
        context = DriverContext(clock, file.seed, folder.path, origin)
        self._clock = clock
        self.microscope: Microscope = load("microscope", file.microscope.backend, context, file.microscope.options)
        self.edx: EdxDetector | None = None
        if file.edx is not None:
            on_it = replace(context, microscope=self.microscope)
            self.edx = load("edx", file.edx.backend, on_it, file.edx.options)
        self.chip = _guarded(file, folder, context)

    async def connect(self) -> None:
        """All at once; raises one `NotConnected` with all failures."""
        await connect_all([self.chip, self.microscope, *([] if self.edx is None else [self.edx])])

    async def stop(self) -> list[str]:
        """Emergency: the chip off and the beam blanked, each whatever becomes of the other; what failed, in words."""
        calls = [
            within(self._clock, _STOP_LIMIT_S, "chip", "stop", self.chip.emergency_stop()),
            within(self._clock, _STOP_LIMIT_S, "microscope", "blank the beam", self.microscope.make_safe()),
        ]
        if self.edx is not None:
            calls.append(within(self._clock, _STOP_LIMIT_S, "edx", "stop scanning", self.edx.make_safe()))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        return [str(o) for o in outcomes if isinstance(o, BaseException)]

    async def close(self) -> None:
        """Make everything safe, then close it; one failure never keeps the others from being tried.

        Raises
        ------
        ExceptionGroup
            Of whatever failed.
        """
        devices = [self.microscope, *([] if self.edx is None else [self.edx])]
        outcomes = await asyncio.gather(*(d.make_safe() for d in devices), self.chip.close(), return_exceptions=True)
        outcomes += await asyncio.gather(*(d.close() for d in reversed(devices)), return_exceptions=True)
        failures = [o for o in outcomes if isinstance(o, Exception)]
        if failures:
            raise ExceptionGroup("; ".join(map(str, failures)), failures)


def _guarded(file: SessionFile, folder: SessionFolder, context: DriverContext) -> GuardedChip:
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
        file.microscope.backend,
        file.microscope.options,
    )
