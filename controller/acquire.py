"""Tilt series, stepped and continuous, single images and EDX maps.

The beam is on only while a frame is taken, and every frame is recorded before anything else happens to it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from analysis.thumbnail import SCREEN_PX, thumbnail
from controller import events as ev
from controller.centring import bring_back, off_centre_px
from controller.engine import Engine, RunState
from controller.journal import Journal
from controller.ledger import Ledger
from controller.recorder import Recorder
from controller.recordings import EdxMap, Image, Recording, TiltSeries
from controller.session_file import EdxSection, ParticleSection, SurveySection, Tracking
from controller.streams import Streams
from controller.survey import choose
from controller.target import Target
from drivers.clock import Clock, within
from drivers.errors import ConfigError, DeviceError
from drivers.frames import Frame, FrameHeader, Recorded, SeriesEnd, SpectrumHeader, problem_of
from drivers.interfaces import EdxDetector, Microscope, Scan, ScanSettings, StagePosition

T = TypeVar("T")

_MOVE_LIMIT_S = 180.0
_ANSWER_LIMIT_S = 20.0
_RECENTRE_PX = 2.0


@dataclass
class Acquisition:
    """Everything a recording needs."""

    session: str
    microscope: Microscope
    settings: ScanSettings
    clock: Clock
    engine: Engine
    recorder: Recorder
    streams: Streams
    journal: Journal
    events: ev.Events
    ledger: Ledger
    chip_temperature_c: Callable[[], float | None]
    on_tilt: Callable[[Recording, int, int, float], None]
    tracking: Tracking
    frame_dose_e_per_nm2: Callable[[Recording | None], float]
    """Booked where the microscope does not tell a scan's dose: of one frame of this recording, or of one scan."""
    edx: EdxDetector | None
    edx_section: EdxSection | None
    known_at_pct: Callable[[str, int], Coroutine[None, None, float | None]]
    """How well the composition is known after so many frames of a map; None when that is not told in time."""
    particles: tuple[ParticleSection, ...]
    survey: SurveySection | None
    places_nm: dict[str, NDArray[np.float64]]
    """Stage position (y, x) that centres each particle; of those to be chosen, once they are."""
    image_shift_nm: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Image shift (y, x) that keeps each particle centred, carried from series to series."""
    targets: dict[str, Target] = field(default_factory=dict)
    """By which each particle is told from its neighbours."""
    height_nm: dict[str, float] = field(default_factory=dict)
    """What has been added to each particle's stage height to keep it on the tilt axis."""

    async def take(self, step: Recording) -> None:
        """Acquire what the step asks for; whatever was taken is closed off properly, also after an abort."""
        name, taken = step.particle.name, 0
        await choose(self)
        await self.shift_image(name, self.image_shift_nm.get(name, np.zeros(2)))
        await bring_back(self, step)
        self.journal.write("series_begin", step=step.id, particle=name, planned=step.planned)
        what, scans, goes_dark = self._scans(step)
        try:
            async with aclosing(scans):
                async for scan in scans:
                    await self._record(step, scan, taken)
                    taken += 1
                    self.on_tilt(step, taken, step.planned, scan.stage.tilt_deg)
                    await self._recentre(name, scan)
                    await self.engine.checkpoint(may_pause=goes_dark)
        finally:
            await self.recorder.end_step()
            if taken:
                end = SeriesEnd(
                    seq=self.streams.next_seq,
                    step=step.id,
                    particle=name,
                    frames=taken,
                    planned=step.planned,
                    what=what,
                )
                self.journal.write("series_end", mark=msgspec.structs.asdict(end))
                self.streams.publish(end)

    def _scans(self, step: Recording) -> tuple[Recorded, AsyncGenerator[Scan, None], bool]:
        """What is recorded, its scans, and whether the beam is off between them, so that here they may pause."""
        match step:
            case EdxMap():
                return "edx-map", self._mapped(step), False
            case Image():
                return "image", self._stepped(step), True
            case TiltSeries():
                scans = self._continuous(step) if step.sweeps else self._stepped(step)
                return "tilt-series", scans, not step.sweeps

    async def _mapped(self, step: EdxMap) -> AsyncGenerator[Scan, None]:
        """Frames of an EDX map until there are enough; a pause takes hold between two, the beam off."""
        if self.edx is None:
            raise ConfigError("edx", [f"{step.id} asks for an EDX map, the session file has no [edx] section"])
        await self._move(step, step.tilt_deg)
        taken = 0
        while taken < step.planned:
            rest = replace(step.settings, frames=step.planned - taken)
            limit_s = _ANSWER_LIMIT_S + 3 * rest.scan.frame_s
            async with self._beam(), aclosing(self.edx.map_frames(rest)) as frames:
                while taken < step.planned and self.engine.state is not RunState.PAUSING:
                    call = within(self.clock, limit_s, self.edx.name, "take a frame of an EDX map", anext(frames, None))
                    scan = await self.engine.unless_aborted(call)
                    if scan is None:
                        return
                    self._check_x_rays(scan)
                    self._book_dose(step, scan)
                    taken += 1
                    yield scan
                    if step.sigma_at_pct is not None:
                        known = await self.engine.unless_aborted(self.known_at_pct(step.id, taken))
                        if known is not None and known <= step.sigma_at_pct:
                            return
            await self.engine.checkpoint()

    async def _stepped(self, step: TiltSeries | Image) -> AsyncGenerator[Scan, None]:
        for tilt_deg in step.tilts_deg:
            yield await self.look(step, tilt_deg, self.settings)

    async def _continuous(self, step: TiltSeries) -> AsyncGenerator[Scan, None]:
        """Sweep and keep the scan nearest to each planned tilt."""
        scheme = step.scheme
        await self._move(step, step.tilts_deg[0])
        way = 1.0 if scheme.to_deg > scheme.from_deg else -1.0
        wanted = list(step.tilts_deg)
        async with (
            self._beam(),
            aclosing(self.microscope.sweep(self.settings, scheme.to_deg, scheme.rate_deg_per_s)) as sweep,
        ):
            async for scan in sweep:
                self._book_dose(step, scan)
                if (
                    wanted
                    and way * (scan.stage.tilt_deg - wanted[0]) >= -0.5 * scheme.rate_deg_per_s * self.settings.frame_s
                ):
                    wanted.pop(0)
                    yield scan

    async def _move(self, step: Recording, tilt_deg: float) -> None:
        p = step.particle
        y_nm, x_nm = self.places_nm.get(p.name, (p.y_nm, p.x_nm))
        target = StagePosition(float(x_nm), float(y_nm), p.z_nm + self.height_nm.get(p.name, 0.0), tilt_deg)
        await self._ask(f"move to {tilt_deg:g} deg", _MOVE_LIMIT_S, self.microscope.move_to(target))

    async def look(self, step: Recording, tilt_deg: float, settings: ScanSettings) -> Scan:
        """One scan at one tilt, its dose booked."""
        await self._move(step, tilt_deg)
        async with self._beam():
            limit_s = _ANSWER_LIMIT_S + 3 * settings.frame_s
            asked = self._ask("scan a frame", limit_s, self.microscope.scan(settings))
            scan = await self.engine.unless_aborted(asked)
        self._book_dose(step, scan, settings)
        return scan

    def _book_dose(self, step: Recording, scan: Scan, look: ScanSettings | None = None) -> None:
        dose = scan.electrons_per_nm2
        if dose is None:
            # A look before an EDX map is a scan, not a frame of the map.
            taken = step if isinstance(step, EdxMap) == (scan.x_rays is not None) else None
            dose = self.frame_dose_e_per_nm2(taken)
            if look is not None:
                dose *= look.dwell_s / self.settings.dwell_s * (self.settings.pixel_nm / look.pixel_nm) ** 2
        self.ledger.book_dose(step.particle.name, dose)

    @asynccontextmanager
    async def _beam(self) -> AsyncIterator[None]:
        """The beam on; never after an abort or an emergency stop, which raise `Aborted` here."""
        await self.engine.checkpoint(may_pause=False)
        await self._ask("unblank the beam", _ANSWER_LIMIT_S, self.microscope.set_beam_blank(False))
        try:
            await self.engine.checkpoint(may_pause=False)
            yield
        finally:
            await self._ask("blank the beam", _ANSWER_LIMIT_S, self.microscope.set_beam_blank(True))

    async def _record(self, step: Recording, scan: Scan, index: int) -> None:
        p = step.particle
        frame = Frame(
            FrameHeader(
                seq=self.streams.next_seq,
                session=self.session,
                step=step.id,
                index=index,
                particle=p.name,
                core=p.core,
                shell=p.shell,
                window=p.window,
                time_s=scan.time_s,
                tilt_deg=scan.stage.tilt_deg,
                swept_deg=scan.swept_deg,
                pixel_nm=scan.pixel_nm,
                stage_nm=(scan.stage.x_nm, scan.stage.y_nm, scan.stage.z_nm),
                image_shift_nm=scan.image_shift_nm,
                defocus_nm=scan.defocus_nm,
                temperature_c=self.chip_temperature_c(),
                electrons_per_nm2=scan.electrons_per_nm2,
                gain=scan.gain,
                offset=scan.offset,
                heat=self.ledger.heat,
                spectrum=self._spectrum(scan),
                simulated=self.microscope.simulated,
            ),
            scan.image,
            None if scan.x_rays is None else scan.x_rays.photons,
        )
        await self.recorder.write(frame)
        self.journal.write("frame", seq=frame.header.seq, step=step.id, tilt_deg=scan.stage.tilt_deg)
        self.streams.publish(frame)
        pixels = thumbnail(scan.image, SCREEN_PX)
        self.events.tell(ev.Picture(step.id, scan.stage.tilt_deg, pixels.shape, pixels.tobytes(), index))

    def _check_x_rays(self, scan: Scan) -> None:
        """A frame that would spoil the recording of its map ends it here."""
        assert self.edx is not None, "only its frames come here"
        if scan.x_rays is None:
            raise DeviceError(self.edx.name, "gave a frame without X-rays; check the detector, then take the map again")
        spectrum = self._spectrum(scan)
        assert spectrum is not None, "there are X-rays, and so an [edx] section"
        problem = problem_of(spectrum, scan.image.size, scan.x_rays.photons)
        if problem:
            raise DeviceError(self.edx.name, f"gave a frame that {problem}; check its driver")

    def _spectrum(self, scan: Scan) -> SpectrumHeader | None:
        x_rays, asked = scan.x_rays, self.edx_section
        if x_rays is None or asked is None:
            return None
        return SpectrumHeader(
            channels=x_rays.channels,
            channel_ev=x_rays.channel_ev,
            offset_ev=x_rays.offset_ev,
            fwhm_mn_ev=x_rays.fwhm_mn_ev,
            beam_kev=x_rays.beam_kev,
            frames=asked.frames,
            live_s=x_rays.live_s,
            lines=asked.lines,
            k=asked.k,
            k_basis=asked.k_basis,
        )

    async def _recentre(self, particle: str, scan: Scan) -> None:
        """Follow slow drift with the image shift, so that the particle stays in the field."""
        off_px = off_centre_px(scan.image)
        if off_px is not None and np.abs(off_px).max() >= _RECENTRE_PX:
            await self.shift_image(particle, self.image_shift_nm[particle] - 0.7 * off_px * scan.pixel_nm)

    async def shift_image(self, particle: str, shift_nm: NDArray[np.float64]) -> None:
        self.image_shift_nm[particle] = shift_nm
        call = self.microscope.shift_image(float(shift_nm[0]), float(shift_nm[1]))
        await self._ask("shift the image", _ANSWER_LIMIT_S, call)

    async def _ask(self, asked: str, limit_s: float, call: Coroutine[Any, Any, T]) -> T:
        return await within(self.clock, limit_s, self.microscope.name, asked, call)
