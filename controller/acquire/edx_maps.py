"""The frames of an EDX map, as many as its composition asks for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, replace

from controller.acquire.beam import ANSWER_LIMIT_S, Beam
from controller.acquire.frames import spectrum_of
from controller.engine import RunState
from controller.plan.recordings import EdxMap
from controller.plan.session_file import EdxSection
from drivers.clock import within
from drivers.errors import DeviceError
from drivers.frames import problem_of
from drivers.interfaces import EdxDetector, Scan
from drivers.persistence import Setbacks


@dataclass(frozen=True)
class EdxMaps:
    """Takes maps with one detector."""

    beam: Beam
    detector: EdxDetector
    section: EdxSection
    known_at_pct: Callable[[str, int], Coroutine[None, None, float | None]]
    """How well the composition is known after so many frames of a map; None when that is not told in time."""

    async def scans(self, step: EdxMap, done: int = 0) -> AsyncGenerator[Scan, None]:
        """Frames after those `done`, until there are enough; a pause takes hold between two, the beam off."""
        beam, engine = self.beam, self.beam.engine
        await beam.move(step.particle, step.tilt_deg)
        taken, setbacks = done, Setbacks()
        while taken < step.planned:
            try:
                async with aclosing(self._run_of(step, taken)) as run:
                    async for scan in run:
                        taken += 1
                        yield scan
                        if await self._is_enough(step, taken):
                            return
            except Exception as error:  # whatever the driver raises
                if not setbacks.borne(error, taken):
                    raise
                beam.warn(f"{str(error) or type(error).__name__}: the map goes on after {taken} frames")
            else:
                if engine.state is not RunState.PAUSING and taken < step.planned:
                    return  # the detector has ended it
            await engine.checkpoint()

    async def _run_of(self, step: EdxMap, taken: int) -> AsyncGenerator[Scan, None]:
        """Frames for which the beam stays on, until all are taken or the session is to pause."""
        beam, engine = self.beam, self.beam.engine
        rest = replace(step.settings, frames=step.planned - taken)
        limit_s = ANSWER_LIMIT_S + 3 * rest.scan.frame_s
        async with beam.on(step, step.settings.scan), aclosing(self.detector.map_frames(rest)) as frames:
            while engine.state is not RunState.PAUSING:
                name, asked = self.detector.name, "take a frame of an EDX map"
                call = within(beam.clock, limit_s, name, asked, anext(frames, None))
                scan = await engine.unless_aborted(call)
                if scan is None:
                    return
                self._check_x_rays(scan)
                beam.book(step, scan, step.settings.scan, swept=True)
                yield scan

    async def _is_enough(self, step: EdxMap, taken: int) -> bool:
        if step.sigma_at_pct is None:
            return False
        known = await self.beam.engine.unless_aborted(self.known_at_pct(step.id, taken))
        return known is not None and known <= step.sigma_at_pct

    def _check_x_rays(self, scan: Scan) -> None:
        """A frame that would spoil the recording of its map ends it here."""
        name = self.detector.name
        if scan.x_rays is None:
            raise DeviceError(name, "gave a frame without X-rays; check the detector, then take the map again")
        spectrum = spectrum_of(scan, self.section)
        assert spectrum is not None, "there are X-rays and a section"
        problem = problem_of(spectrum, scan.image.size, scan.x_rays.photons)
        if problem:
            raise DeviceError(name, f"gave a frame that {problem}; check its driver")
