"""Bringing a particle back to where it was: to the middle of the field, and to the height of the tilt axis.

Heat shifts and bulges the window, and some of it stays after each quench. A particle off the axis by z runs across the
field by z sin(tilt), out of it at high tilt, and out of focus.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from analysis.images.off_centre import off_centre_px
from analysis.particles.target import Target
from controller.acquire.beam import Beam
from controller.plan.dose import LOOK_WIDER, MOST_LOOKS
from controller.plan.recordings import EdxMap, Recording
from controller.plan.session_file import Tracking
from drivers.interfaces import Scan, ScanSettings
from drivers.recorded.journal import Journal
from drivers.recorded.records import Centred, Eucentric, NotCentred, NotEucentric

_CLOSE_PX = 2.0
"""To the middle: it ends when the particle was so close already."""
_RECENTRE_PX = 2.0
_NOT_SEEN = "the particle is not seen whole in the field"
_MOST_HEIGHT_NM = 5000.0
"""More is no drift: the particle was mistaken for another."""


@dataclass
class Centring:
    """Looks for the particles, and keeps them where they should be."""

    beam: Beam
    tracking: Tracking
    journal: Journal
    targets: dict[str, Target] = field(default_factory=dict)
    """By which each particle is told from its neighbours."""

    async def bring_back(self, step: Recording) -> None:
        """Centre and bring to eucentric height, as far as asked for; what could not be seen is journaled and left.

        An EDX map is always centred, its field being little wider than the particle; at last in that field itself.
        """
        settings = self.beam.settings
        if self.tracking.eucentric:
            await self._to_axis(step)
        first = bool(step.particle.choose) and not self._known(step)
        if self.tracking.on or isinstance(step, EdxMap) or first:
            await self._to_middle(step, settings)
        if isinstance(step, EdxMap):
            finer = replace(step.settings.scan, dwell_s=settings.dwell_s)
            if finer.pixel_nm < settings.pixel_nm:
                await self._to_middle(step, finer)

    async def follow_drift(self, particle: str, scan: Scan) -> None:
        """Follow slow drift with the image shift, so that the particle stays in the field."""
        off_px = off_centre_px(scan.image)
        if off_px is not None and np.abs(off_px).max() >= _RECENTRE_PX:
            shift_nm = self.beam.image_shift_nm[particle] - 0.7 * off_px * scan.pixel_nm
            await self.beam.shift_image(particle, shift_nm)

    async def _to_middle(self, step: Recording, settings: ScanSettings) -> None:
        name, pixel_nm = step.particle.name, settings.pixel_nm
        tilt_deg = step.tilt_deg if isinstance(step, EdxMap) else 0.0
        for _ in range(MOST_LOOKS):
            off_nm = await self._off_centre_nm(step, tilt_deg, settings)
            if off_nm is None:
                self.journal.write(NotCentred(step=step.id, reason=_NOT_SEEN))
                return
            await self.beam.shift_image(name, self.beam.image_shift_nm[name] - off_nm)
            y_nm, x_nm = (round(float(v), 2) for v in off_nm)
            self.journal.write(Centred(step=step.id, off_nm=(y_nm, x_nm)))
            if np.abs(off_nm).max() <= _CLOSE_PX * pixel_nm:
                return

    async def _to_axis(self, step: Recording) -> None:
        """A feature above the axis moves to larger y when the tilt grows: y = z sin(tilt) + what does not tilt."""
        name, at_deg = step.particle.name, self.tracking.at_deg
        if not self._known(step):
            # Tilted, a particle off the axis is far from the middle: which one it is shows untilted.
            await self._off_centre_nm(step, 0.0, self.beam.settings)
        seen_nm: list[float] = []
        for tilt_deg in (-at_deg, at_deg):
            known = self._known(step)
            off_nm = await self._off_centre_nm(step, tilt_deg, self.beam.settings) if known else None
            if off_nm is None:
                self.journal.write(NotEucentric(step=step.id, reason=_NOT_SEEN))
                return
            seen_nm.append(float(off_nm[0]))
        above_nm = (seen_nm[1] - seen_nm[0]) / (2.0 * float(np.sin(np.radians(at_deg))))
        if abs(above_nm) > _MOST_HEIGHT_NM:
            self.journal.write(NotEucentric(step=step.id, reason=f"{above_nm:.0f} nm off is not believed"))
            return
        self.beam.height_nm[name] = self.beam.height_nm.get(name, 0.0) - above_nm
        self.journal.write(Eucentric(step=step.id, above_axis_nm=round(above_nm, 2)))

    def _known(self, step: Recording) -> bool:
        """Whether an earlier look has told which particle it is."""
        target = self.targets.get(step.particle.name)
        return target is not None and target.known

    async def _off_centre_nm(
        self, step: Recording, tilt_deg: float, settings: ScanSettings
    ) -> NDArray[np.float64] | None:
        """Offset (y, x) in a look at a field wider than the data's; None when the particle is not seen whole."""
        wide = replace(settings, pixel_nm=LOOK_WIDER * settings.pixel_nm)
        scan = await self.beam.look(step, tilt_deg, wide)
        target = self.targets.setdefault(step.particle.name, Target())
        with self.beam.clock.working():
            shift_nm = np.array(scan.image_shift_nm)
            off_px = await asyncio.to_thread(target.off_centre_px, scan.image, scan.pixel_nm, shift_nm)
        return None if off_px is None else off_px * scan.pixel_nm
