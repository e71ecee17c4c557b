"""Electrons are booked as they fell, also those of a scan that never came back."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from controller.acquire.beam import Beam
from controller.engine import Aborted, Engine
from controller.plan.dose import Dose
from controller.plan.session_file import load_session
from controller.plan.steps import Plan
from controller.record.ledger import Ledger
from drivers.clock import SteppedClock
from drivers.interfaces import Scan, StagePosition


class SlowMicroscope:
    """Scans for as long as it is told to, and does not say what that cost."""

    name = "microscope"

    def __init__(self, clock: SteppedClock, scan_s: float) -> None:
        self.clock, self.scan_s, self.blanked = clock, scan_s, True

    async def move_to(self, position: StagePosition) -> None:
        self.position = position

    async def set_beam_blank(self, blanked: bool) -> None:
        self.blanked = blanked

    async def scan(self, settings) -> Scan:
        await self.clock.sleep(self.scan_s)
        return Scan(image=np.ones((2, 2)), time_s=self.clock.now(), stage=self.position, pixel_nm=settings.pixel_nm)


@pytest.mark.parametrize("aborted_after_s", [None, 6.0])
def test_an_aborted_scan_costs_the_time_that_the_beam_was_on(stepped, session_file, aborted_after_s):
    file = load_session(session_file())
    step = next(Plan(file).steps())
    settings = file.scan.settings()

    async def main(clock: SteppedClock) -> None:
        engine, ledger = Engine(clock, lambda *_: None), Ledger()
        microscope = SlowMicroscope(clock, settings.frame_s if aborted_after_s is None else 15.0)
        beam = Beam(microscope, clock, engine, ledger, settings, Dose(file), {})
        if aborted_after_s is None:
            await beam.look(step, 0.0, settings)
            scans = 1.0
        else:
            clock.call_later(aborted_after_s, lambda: engine.abort("asked"))
            with pytest.raises(Aborted):
                await beam.look(step, 0.0, settings)
            scans = aborted_after_s / settings.frame_s
        assert microscope.blanked
        assert ledger.dose_e_per_nm2["NC2"] == pytest.approx(scans * Dose(file).of_frame(), rel=1e-6)

    stepped(main)


def test_a_look_costs_by_its_pixels_and_dwell(stepped, session_file):
    file = load_session(session_file())
    step = next(Plan(file).steps())
    settings = file.scan.settings()
    wide = SimpleNamespace(pixel_nm=2.0 * settings.pixel_nm, dwell_s=settings.dwell_s, frame_s=settings.frame_s)

    async def main(clock: SteppedClock) -> None:
        ledger = Ledger()
        beam = Beam(SlowMicroscope(clock, 0.0), clock, Engine(clock, lambda *_: None), ledger, settings, Dose(file), {})
        await beam.look(step, 0.0, wide)
        assert ledger.dose_e_per_nm2["NC2"] == pytest.approx(Dose(file).of_frame() / 4.0)
        await asyncio.sleep(0)

    stepped(main)
