"""The microscope as a recording uses it: move, shift, look, and a beam that is on only while a frame is taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from controller.engine import Engine
from controller.plan.dose import Dose
from controller.plan.recordings import EdxMap, Recording
from controller.plan.session_file import ParticleSection
from controller.plan.stage_section import StageSection
from controller.record.ledger import Ledger
from drivers.clock import Clock, within
from drivers.errors import BeamStaysOn, DeviceError, DeviceTimeout
from drivers.interfaces import Microscope, Scan, ScanSettings, StagePosition
from drivers.persistence import persistently
from drivers.recorded.records import BeamOff, BeamOn

T = TypeVar("T")

ANSWER_LIMIT_S = 20.0
_BLANK_LIMIT_S = _SHIFT_LIMIT_S = 5.0
"""Short, since the beam may be on meanwhile."""
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
    stage: StageSection = field(default_factory=StageSection)
    warn: Callable[[str], None] = lambda _: None
    """Hears of what had to be asked again."""
    note: Callable[[BeamOn | BeamOff], None] = lambda _: None
    """Journals that the beam is about to come on, and that it is off: one that nobody lived to blank is booked then."""
    _at_nm: tuple[float, float] | None = None
    """Place (y, x) that was last come to."""
    _booked_s: float = 0.0
    """Until when the electrons of the beam that is on have been booked."""
    _on: tuple[Recording, ScanSettings] | None = None
    """For what it is on, until it is known to be off."""
    _noted: bool = False
    """It was journaled that it comes on, and not yet that it is off."""

    async def move(self, p: ParticleSection, tilt_deg: float) -> None:
        """To a particle, tilted."""
        y_nm, x_nm = self.places_nm.get(p.name, (p.y_nm, p.x_nm))
        target = StagePosition(float(x_nm), float(y_nm), p.z_nm + self.height_nm.get(p.name, 0.0), tilt_deg)
        if self.stage.backlash_nm and self._at_nm != (y_nm, x_nm):
            back_nm = self.stage.backlash_nm
            below = replace(target, x_nm=target.x_nm - back_nm, y_nm=target.y_nm - back_nm)
            await self._ask("move to below a place", _MOVE_LIMIT_S, lambda: self.microscope.move_to(below))
        await self._ask(f"move to {tilt_deg:g} deg", _MOVE_LIMIT_S, lambda: self.microscope.move_to(target))
        self._at_nm = (y_nm, x_nm)

    async def look(self, step: Recording, tilt_deg: float, settings: ScanSettings) -> Scan:
        """One scan at one tilt, its dose booked, also that of a scan which failed and was taken again."""
        await self.move(step.particle, tilt_deg)
        return await persistently(self.clock, lambda: self._exposed(step, settings), self.warn)

    async def _exposed(self, step: Recording, settings: ScanSettings) -> Scan:
        async with self.on(step, settings):
            limit_s = ANSWER_LIMIT_S + 3 * settings.frame_s
            asked = self.within("scan a frame", limit_s, self.microscope.scan(settings))
            scan = await self.engine.unless_aborted(asked)
            self.book(step, scan, settings)
        self.check(scan)
        return scan

    def check(self, scan: Scan) -> None:
        """Raise `DeviceError` for what is no image."""
        image = scan.image
        if image.ndim != 2 or not image.size:
            raise DeviceError(self.microscope.name, f"gave {image.shape} pixels, not an image (y, x); check its driver")
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise DeviceError(self.microscope.name, "gave an image with NaN or infinite pixels; check its driver")

    async def shift_image(self, particle: str, shift_nm: NDArray[np.float64] | None = None) -> None:
        """Shift to what centres a particle; by default to where it was last."""
        shift_nm = self.image_shift_nm.get(particle, np.zeros(2)) if shift_nm is None else shift_nm
        self.image_shift_nm[particle] = shift_nm
        y_nm, x_nm = float(shift_nm[0]), float(shift_nm[1])
        await self._ask("shift the image", _SHIFT_LIMIT_S, lambda: self.microscope.shift_image(y_nm, x_nm))

    @asynccontextmanager
    async def on(self, step: Recording, settings: ScanSettings) -> AsyncIterator[None]:
        """The beam on; never after an abort or an emergency stop, which raise `Aborted` here.

        A scan that never came back has cost electrons as well, and so has a beam that was slow to go off: they are
        booked by the time that the beam was on.
        """
        self._on = None
        try:
            await persistently(self.clock, lambda: self._unblank(step, settings), self.warn)
            await self.engine.checkpoint(may_pause=False)
            yield
        finally:
            try:
                limit_s = _BLANK_LIMIT_S + self.in_flight_s()
                await self._ask("blank the beam", limit_s, lambda: self.microscope.set_beam_blank(True))
            except Exception as error:  # whatever the driver raised three times
                raise BeamStaysOn(f"{str(error) or type(error).__name__}; the beam could not be blanked") from error
            self.book_until_dark()

    async def _unblank(self, step: Recording, settings: ScanSettings) -> None:
        """Never after an abort, also not at a second try; where the answer is lost the beam may well be on."""
        await self.engine.checkpoint(may_pause=False)
        if self._on is None:  # else it may well be on since the first try
            rate = self._dose_of_scan(step, settings) / settings.frame_s
            self.note(BeamOn(particle=step.particle.name, electrons_per_nm2_per_s=rate))
        self._noted, asked_s = True, self.clock.now()
        try:
            await self.within("unblank the beam", _BLANK_LIMIT_S, self.microscope.set_beam_blank(False))
        except DeviceTimeout:
            if self._on is None:
                self._booked_s, self._on = asked_s, (step, settings)
            raise
        if self._on is None:
            self._booked_s, self._on = self.clock.now(), (step, settings)

    def in_flight_s(self) -> float:
        """Until a frame that is being scanned is over, at most; a microscope may be deaf until then."""
        return 0.0 if self._on is None else self._on[1].frame_s

    def book_until_dark(self) -> None:
        """What the beam has given since the last scan came: it is off now, whoever has seen to it."""
        if self._on is not None:
            (step, settings), self._on = self._on, None
            scans = (self.clock.now() - self._booked_s) / settings.frame_s
            if scans > 0.0:
                self.ledger.book_dose(step.particle.name, scans * self._dose_of_scan(step, settings))
        if self._noted:
            self.note(BeamOff())
            self._noted = False

    def book(self, step: Recording, scan: Scan, settings: ScanSettings, *, swept: bool = False) -> None:
        """The electrons of a scan that was taken with these settings.

        Parameters
        ----------
        swept : the beam was on since the scan before, as in a sweep and a map: all that time costs electrons
        """
        usual = self._dose_of_scan(step, settings)
        dose = usual if scan.electrons_per_nm2 is None else scan.electrons_per_nm2
        passed = (self.clock.now() - self._booked_s) / settings.frame_s - 1.0
        if swept and passed > 0.0:
            dose += passed * usual
        self.ledger.book_dose(step.particle.name, dose)
        self._booked_s = self.clock.now()

    def _dose_of_scan(self, step: Recording, settings: ScanSettings) -> float:
        """By the session file, where the microscope does not tell; a look before a map is none of its frames."""
        if isinstance(step, EdxMap) and settings == step.settings.scan:
            return self.dose.of_frame(step)
        finer = (self.settings.pixel_nm / settings.pixel_nm) ** 2
        return self.dose.of_frame() * settings.dwell_s / self.settings.dwell_s * finer

    async def _ask(self, asked: str, limit_s: float, call: Callable[[], Awaitable[T]]) -> T:
        """Of the microscope, which may be asked again: each of these sets something to a value."""
        return await persistently(self.clock, lambda: self.within(asked, limit_s, call()), self.warn)

    async def within(self, asked: str, limit_s: float, call: Awaitable[T]) -> T:
        """Await a call to the microscope, which may take so long."""
        return await within(self.clock, limit_s, self.microscope.name, asked, call)
