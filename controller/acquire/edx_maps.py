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
        taken = done
        while taken < step.planned:
            rest = replace(step.settings, frames=step.planned - taken)
            limit_s = ANSWER_LIMIT_S + 3 * rest.scan.frame_s
            async with beam.on(step, step.settings.scan), aclosing(self.detector.map_frames(rest)) as frames:
                while taken < step.planned and engine.state is not RunState.PAUSING:
                    call = within(
                        beam.clock, limit_s, self.detector.name, "take a frame of an EDX map", anext(frames, None)
                    )
                    scan = await engine.unless_aborted(call)
                    if scan is None:
                        return
                    self._check_x_rays(scan)
                    beam.book(step, scan, step.settings.scan)
                    taken += 1
                    yield scan
                    if step.sigma_at_pct is not None:
                        known = await engine.unless_aborted(self.known_at_pct(step.id, taken))
                        if known is not None and known <= step.sigma_at_pct:
                            return
            await engine.checkpoint()

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
