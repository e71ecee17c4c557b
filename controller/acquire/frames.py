"""From a scan to a frame: its header written, recorded before anything else, journaled, streamed and shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.images.thumbnail import thumbnail
from controller import events as ev
from controller.plan.recordings import Recording
from controller.plan.session_file import EdxSection
from controller.record.ledger import Ledger
from controller.record.recorder import Recorder
from controller.stream.streams import Streams
from drivers.clock import Clock, utc_now
from drivers.frames import Frame, FrameHeader, Recorded, SeriesEnd, SpectrumHeader
from drivers.interfaces import Microscope, Scan
from drivers.recorded.journal import Journal
from drivers.recorded.records import FrameRecorded, SeriesBegin, SeriesEnded
from drivers.recorded.step_layout import StepBegan


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
    chip_temperature_c: Callable[[], float | None]

    def begin(self, step: Recording, what: Recorded) -> None:
        utc, name = utc_now(), step.particle.name
        self.journal.write(SeriesBegin(step=step.id, particle=name, planned=step.planned, utc=utc))
        self.recorder.begin_step(StepBegan(what, utc, self.clock.now()))

    async def take(self, step: Recording, scan: Scan, index: int) -> None:
        """Return when the frame is on disk; then it is told of."""
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
                spectrum=spectrum_of(scan, self.edx),
                simulated=self.microscope.simulated,
            ),
            scan.image,
            None if scan.x_rays is None else scan.x_rays.photons,
        )
        await self.recorder.write(frame)
        self.journal.write(FrameRecorded(seq=frame.header.seq, step=step.id, tilt_deg=scan.stage.tilt_deg))
        self.streams.publish(frame)
        pixels = thumbnail(scan.image, ev.PICTURE_PX)
        self.events.tell(ev.Picture(step.id, scan.stage.tilt_deg, pixels.shape, pixels.tobytes(), index))

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
