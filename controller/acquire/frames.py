"""From a scan to a frame: its header written, recorded before anything else, journaled, streamed and shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.images.thumbnail import stride_for, thumbnail
from controller import events as ev
from controller.plan.recordings import EdxMap, Recording
from controller.plan.session_file import EdxSection
from controller.record.ledger import Ledger
from controller.record.recorder import Recorder
from controller.stream.streams import Streams
from drivers.clock import Clock, utc_now
from drivers.frames import Frame, FrameHeader, Recorded, SeriesEnd, SpectrumHeader
from drivers.interfaces import Microscope, Scan, ScanSettings
from drivers.recorded.journal import Journal
from drivers.recorded.records import FrameRecorded, SeriesBegin, SeriesEnded
from drivers.recorded.step_layout import StepBegan

_ROTATED_DEG = 2.0
"""Of a scan against the tilt axis, above which a person is warned."""


@dataclass(frozen=True)
class Frames:
    """Where scans go."""

    session: str
    """Its title."""
    microscope: Microscope
    clock: Clock
    edx: EdxSection | None
    recorder: Recorder
    journal: Journal
    streams: Streams
    events: ev.Events
    ledger: Ledger
    warn: Callable[[str], None]
    scan: ScanSettings
    """Of all but EDX maps."""
    chip_temperature_c: Callable[[], float | None]

    def begin(self, step: Recording, what: Recorded) -> None:
        utc, name = utc_now(), step.particle.name
        self.journal.write(SeriesBegin(step=step.id, particle=name, planned=step.planned, utc=utc))
        self.recorder.begin_step(StepBegan(what, utc, self.clock.now()))

    async def take(self, step: Recording, scan: Scan, index: int) -> None:
        """Return when the frame is on disk; then it is told of."""
        p = step.particle
        dwell_s = step.settings.scan.dwell_s if isinstance(step, EdxMap) else self.scan.dwell_s
        if abs(scan.rotation_deg) > _ROTATED_DEG and not index:
            self.warn(
                f"{step.id}: the scan is turned by {scan.rotation_deg:.1f} deg against the tilt axis, which the "
                "analysis takes to be horizontal; set the scan's rotation so that it is"
            )
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
                spectrum=spectrum_of(scan, self.edx),
                detector=scan.detector,
                dwell_s=dwell_s,
                beam_kev=scan.beam_kev,
                current_pa=scan.current_pa,
                rotation_deg=scan.rotation_deg,
                simulated=self.microscope.simulated,
            ),
            scan.image,
            None if scan.x_rays is None else scan.x_rays.photons,
        )
        await self.recorder.write(frame)
        self.journal.write(FrameRecorded(seq=frame.header.seq, step=step.id, tilt_deg=scan.stage.tilt_deg))
        self.streams.publish(frame)
        pixels = thumbnail(scan.image, ev.PICTURE_PX)
        pixel_nm = scan.pixel_nm * stride_for(scan.image.shape, ev.PICTURE_PX)
        self.events.tell(ev.Picture(step.id, scan.stage.tilt_deg, pixels.shape, pixels.tobytes(), index, pixel_nm))

    async def end(self, step: Recording, what: Recorded, taken: int) -> None:
        """Close the step off, if there was a frame."""
        await self.recorder.end_step()
        if taken:
            end = SeriesEnd(
                seq=self.streams.next_seq,
                step=step.id,
                particle=step.particle.name,
                frames=taken,
                planned=step.planned,
                what=what,
            )
            self.journal.write(SeriesEnded(mark=end))
            self.streams.publish(end)


def spectrum_of(scan: Scan, asked: EdxSection | None) -> SpectrumHeader | None:
    """What turns a scan's photons into spectra; nothing for a scan without."""
    x_rays = scan.x_rays
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
