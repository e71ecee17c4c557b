"""Going on with a session that had ended: all put back as it was, the instruments looked at before anything moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from controller.acquire.beam import Beam
from controller.guard.instruments import Instruments
from controller.plan.session_file import SessionFile
from controller.record.ledger import Ledger
from controller.record.past import Past
from controller.stream.live_analysis import LiveAnalysis
from controller.stream.streams import Streams
from drivers.clock import utc_now
from drivers.errors import InterlockTripped
from drivers.recorded.journal import Journal
from drivers.recorded.records import BeamOff, Exposed, FoundHot, Resumed

_COLD_C = 100.0
_TILT_MOVED_DEG = 1.0


def take_up(
    past: Past, file: SessionFile, streams: Streams, ledger: Ledger, analysis: LiveAnalysis, beam: Beam
) -> None:
    """Stream, ledger, what the analysis is to give, and where each particle was seen last."""
    in_order = sorted(past.frames, key=lambda header: header.seq)
    streams.go_on(past.next_seq, past.marks, (header.particle for header in in_order))
    ledger.heat, ledger.dose_e_per_nm2 = past.heat, dict(past.dose_e_per_nm2)
    for step in past.ended:
        analysis.expect(step)
    beam.places_nm |= {r.particle: np.array([r.y_nm, r.x_nm]) for r in past.chosen}
    for particle in file.particles:
        last = past.last_of(particle.name)
        if last is not None:
            beam.image_shift_nm[particle.name] = np.array(last.image_shift_nm)
            beam.height_nm[particle.name] = last.stage_nm[2] - particle.z_nm


def book_left_on(past: Past, journal: Journal) -> None:
    """Before anything else, so that a try to go on which fails makes it no longer."""
    if past.left_on is not None:
        left = past.left_on
        journal.write(Exposed(particle=left.particle, electrons_per_nm2=left.electrons_per_nm2))
        journal.write(BeamOff())


async def begin_again(
    past: Past, instruments: Instruments, journal: Journal, log: Callable[[str, str], None], *, tracked: bool
) -> None:
    """Hold the instruments against the journal; then it is written that the session goes on.

    Raises
    ------
    InterlockTripped
        Where the chip is not cold, as a session that ended leaves it.
    """
    instruments.chip.beat()
    reading = await instruments.chip.read()
    if reading.temperature_c > _COLD_C:
        journal.write(FoundHot(temperature_c=reading.temperature_c))
        raise InterlockTripped(
            f"asked to go on, found the chip at {reading.temperature_c:.0f} C, which should be cold; it is switched "
            "off now. Since when it was hot is in no ledger: begin a new session, or resume with --accept"
        )
    accepted = (f"accepted: {past.unknown_heat}",) if past.unknown_heat else ()
    journal.write(Resumed(found=past.found + accepted, utc=utc_now()))
    if past.cut_pulse is not None:
        journal.write(past.cut_pulse)
    for words in past.found + accepted:
        log("warning", words)
    stage, last = await instruments.microscope.read_stage(), past.frames[-1] if past.frames else None
    if last is not None and abs(stage.tilt_deg - last.tilt_deg) > _TILT_MOVED_DEG:
        words = f"the stage stands at {stage.tilt_deg:.1f} deg, the last frame was taken at {last.tilt_deg:.1f} deg"
        log("info", f"{words}; it is moved back")
    if not tracked:
        log("warning", "[tracking] is off: see in the next frame that the particle is still in the middle")
