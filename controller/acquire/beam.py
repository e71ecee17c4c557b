"""The microscope as a recording uses it: move, shift, look, and a beam that is on only while a frame is taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from controller.engine import Engine
from controller.plan.dose import Dose
from controller.plan.recordings import EdxMap, Recording
from controller.plan.session_file import ParticleSection
from controller.record.ledger import Ledger
from drivers.clock import Clock, within
from drivers.interfaces import Microscope, Scan, ScanSettings, StagePosition

T = TypeVar("T")

ANSWER_LIMIT_S = 20.0
_BLANK_LIMIT_S = 5.0
_MOVE_LIMIT_S = 180.0


@dataclass
class Beam:
    """Every scan is booked in the ledger; after an abort or an emergency stop the beam never comes on again."""

    microscope: Microscope
    clock: Clock
    engine: Engine
    ledger: Ledger
    settings: ScanSettings
    """Of the frames of a tilt series."""
    dose: Dose
    """Booked where the microscope does not tell a scan's dose."""
    places_nm: dict[str, NDArray[np.float64]]
    """Stage position (y, x) that centres each particle; of those to be chosen, once they are."""
    image_shift_nm: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Image shift (y, x) that keeps each particle centred, carried from series to series."""
    height_nm: dict[str, float] = field(default_factory=dict)
    """What has been added to each particle's stage height to keep it on the tilt axis."""
    _booked_s: float = 0.0
    """Until when the electrons of the beam that is on have been booked."""

    async def move(self, p: ParticleSection, tilt_deg: float) -> None:
        """To a particle, tilted."""
        y_nm, x_nm = self.places_nm.get(p.name, (p.y_nm, p.x_nm))
        target = StagePosition(float(x_nm), float(y_nm), p.z_nm + self.height_nm.get(p.name, 0.0), tilt_deg)
        await self.ask(f"move to {tilt_deg:g} deg", _MOVE_LIMIT_S, self.microscope.move_to(target))

    async def look(self, step: Recording, tilt_deg: float, settings: ScanSettings) -> Scan:
        """One scan at one tilt, its dose booked."""
        await self.move(step.particle, tilt_deg)
        async with self.on(step, settings):
            limit_s = ANSWER_LIMIT_S + 3 * settings.frame_s
            asked = self.ask("scan a frame", limit_s, self.microscope.scan(settings))
            scan = await self.engine.unless_aborted(asked)
            self.book(step, scan, settings)
        return scan

    async def shift_image(self, particle: str, shift_nm: NDArray[np.float64] | None = None) -> None:
        """Shift to what centres a particle; by default to where it was last."""
        shift_nm = self.image_shift_nm.get(particle, np.zeros(2)) if shift_nm is None else shift_nm
        self.image_shift_nm[particle] = shift_nm
        call = self.microscope.shift_image(float(shift_nm[0]), float(shift_nm[1]))
        await self.ask("shift the image", ANSWER_LIMIT_S, call)

    @asynccontextmanager
    async def on(self, step: Recording, settings: ScanSettings) -> AsyncIterator[None]:
        """The beam on; never after an abort or an emergency stop, which raise `Aborted` here.

        A scan that never came back has cost electrons as well: they are booked by the time that the beam was on.
        """
        await self.engine.checkpoint(may_pause=False)
        await self.ask("unblank the beam", ANSWER_LIMIT_S, self.microscope.set_beam_blank(False))
        self._booked_s = self.clock.now()
        try:
            await self.engine.checkpoint(may_pause=False)
            yield
        except BaseException:
            scans = (self.clock.now() - self._booked_s) / settings.frame_s
            self.ledger.book_dose(step.particle.name, scans * self._dose_of_scan(step, settings))
            raise
        finally:
            await self.ask("blank the beam", _BLANK_LIMIT_S, self.microscope.set_beam_blank(True))

    def book(self, step: Recording, scan: Scan, settings: ScanSettings) -> None:
        """The electrons of a scan that was taken with these settings."""
        dose = scan.electrons_per_nm2
        self.ledger.book_dose(step.particle.name, self._dose_of_scan(step, settings) if dose is None else dose)
        self._booked_s = self.clock.now()

    def _dose_of_scan(self, step: Recording, settings: ScanSettings) -> float:
        """By the session file, where the microscope does not tell; a look before a map is none of its frames."""
        if isinstance(step, EdxMap) and settings == step.settings.scan:
            return self.dose.of_frame(step)
        finer = (self.settings.pixel_nm / settings.pixel_nm) ** 2
        return self.dose.of_frame() * settings.dwell_s / self.settings.dwell_s * finer

    async def ask(self, asked: str, limit_s: float, call: Awaitable[T]) -> T:
        """Await a call to the microscope, which may take so long."""
        return await within(self.clock, limit_s, self.microscope.name, asked, call)
