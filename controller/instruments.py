"""The devices of a session: its microscope, its X-ray detector, and its chip behind a guard."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from controller.chip_readings import ChipReadings
from controller.guard import Guard
from controller.guard_client import GuardClient
from controller.journal import Journal
from controller.session_file import SessionFile
from drivers.clock import Clock, ScaledClock, within
from drivers.interfaces import Bench, EdxDetector, Microscope
from drivers.registry import connect_all, load

_DRY_PERIOD_S = 0.1
_DRY_HEARTBEAT_LIMIT_S = 2.0
_STOP_LIMIT_S = 5.0


class Instruments:
    """Built, but not connected, from what a session file names."""

    def __init__(self, file: SessionFile, folder: Path, origin: Path, clock: Clock) -> None:
        self._file, self._folder, self._clock = file, folder, clock
        bench = Bench(clock, file.seed, folder, origin)
        self.microscope: Microscope = load("microscope", file.microscope.backend, bench, file.microscope.options)
        self.edx: EdxDetector | None = None
        if file.edx is not None:
            on_it = replace(bench, microscope=self.microscope)
            self.edx = load("edx", file.edx.backend, on_it, file.edx.options)
        self.chip: Guard | GuardClient = self._guarded(bench)

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
        if isinstance(self._clock, ScaledClock):
            shutil.rmtree(self._socket_folder, ignore_errors=True)
        else:
            self._journal.close()
            self._readings.close()
        failures = [o for o in outcomes if isinstance(o, Exception)]
        if failures:
            raise ExceptionGroup("; ".join(map(str, failures)), failures)

    def _guarded(self, bench: Bench) -> Guard | GuardClient:
        section = self._file.chip
        if isinstance(self._clock, ScaledClock):
            self._socket_folder = Path(tempfile.mkdtemp(prefix="alloyscope-guard-"))
            return GuardClient(
                {
                    "endpoint": f"ipc://{self._socket_folder}/guard",
                    "folder": str(self._folder.resolve()),
                    "origin": str(bench.origin.resolve()),
                    "backend": section.backend,
                    "options": section.options,
                    "limits": section.limits.model_dump(),
                    "seed": self._file.seed,
                    "speed": self._clock.speed,
                    "epoch": self._clock.epoch,
                }
            )
        self._journal = Journal(self._folder / "guard.jsonl", self._clock)
        self._readings = ChipReadings(self._folder)
        return Guard(
            load("chip", section.backend, bench, section.options),
            self._file.chip_limits(),
            self._journal,
            self._readings,
            self._clock,
            period_s=_DRY_PERIOD_S,
            heartbeat_limit_s=_DRY_HEARTBEAT_LIMIT_S,
        )
