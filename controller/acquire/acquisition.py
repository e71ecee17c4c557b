"""Tilt series, stepped and continuous, single images and EDX maps: each a generator of scans, recorded one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import assert_never

from controller.acquire.beam import ANSWER_LIMIT_S, Beam
from controller.acquire.centring import Centring
from controller.acquire.edx_maps import EdxMaps
from controller.acquire.frames import Frames
from controller.acquire.survey import Survey
from controller.plan.recordings import EdxMap, Image, Recording, TiltSeries
from drivers.errors import ConfigError
from drivers.frames import Recorded
from drivers.interfaces import Scan
from drivers.persistence import Setbacks


@dataclass(frozen=True)
class Acquisition:
    """Finds the particle, takes what the step asks for, and closes it off properly whatever ends it."""

    beam: Beam
    survey: Survey
    centring: Centring
    frames: Frames
    maps: EdxMaps | None
    on_tilt: Callable[[Recording, int, int, float], None]

    async def take(self, step: Recording, done: int = 0) -> None:
        """Acquire what the step asks for, but the `done` frames that there are already.

        Whatever was taken is closed off properly, also after an abort.
        """
        name, taken = step.particle.name, done
        if done < step.planned:
            await self.survey.choose()
            await self.beam.shift_image(name)
            await self.centring.bring_back(step)
        what, scans, goes_dark = self._scans(step, done)
        self.frames.begin(step, what)
        try:
            async with aclosing(scans):
                async for scan in scans:
                    await self.frames.take(step, scan, taken)
                    taken += 1
                    self.on_tilt(step, taken, step.planned, scan.stage.tilt_deg)
                    await self.centring.follow_drift(name, scan)
                    await self.beam.engine.checkpoint(may_pause=goes_dark)
        finally:
            await self.frames.end(step, what, taken)

    def _scans(self, step: Recording, done: int) -> tuple[Recorded, AsyncGenerator[Scan, None], bool]:
        """What is recorded, its scans, and whether the beam is off between them, so that here they may pause."""
        match step:
            case EdxMap():
                if self.maps is None:
                    raise ConfigError("edx", [f"{step.id} asks for an EDX map, the session file has no [edx] section"])
                return "edx-map", self.maps.scans(step, done), False
            case Image():
                return "image", self._stepped(step, done), True
            case TiltSeries():
                scans = self._continuous(step, done) if step.sweeps else self._stepped(step, done)
                return "tilt-series", scans, not step.sweeps
            case _:
                assert_never(step)

    async def _stepped(self, step: TiltSeries | Image, done: int) -> AsyncGenerator[Scan, None]:
        for tilt_deg in step.tilts_deg[done:]:
            yield await self.beam.look(step, tilt_deg, self.beam.settings)

    async def _continuous(self, step: TiltSeries, done: int) -> AsyncGenerator[Scan, None]:
        """Sweep and keep the scan nearest to each planned tilt; a sweep that fails is begun again where it failed."""
        wanted, setbacks, again = list(step.tilts_deg[done:]), Setbacks(), done > 0
        while wanted:
            try:
                async with aclosing(self._swept(step, wanted, again=again)) as scans:
                    async for scan in scans:
                        yield scan
                return
            except Exception as error:  # whatever the driver raises
                if not setbacks.borne(error, -len(wanted)):
                    raise
                again = True
                missing = f"swept again from {wanted[0]:g} deg" if wanted else "no tilt is missing"
                self.beam.warn(f"{str(error) or type(error).__name__}: {missing}")

    async def _swept(self, step: TiltSeries, wanted: list[float], *, again: bool) -> AsyncGenerator[Scan, None]:
        """Scans of one sweep at the tilts that are wanted, which are taken off the list."""
        scheme, beam = step.scheme, self.beam
        way = 1.0 if scheme.to_deg > scheme.from_deg else -1.0
        half_scan_deg = 0.5 * scheme.rate_deg_per_s * beam.settings.frame_s
        # Again, with a scan to spare: the last tilt is the end of the way.
        run_up_deg = min(4.0 * half_scan_deg, abs(wanted[0] - scheme.from_deg)) if again else 0.0
        await beam.move(step.particle, wanted[0] - way * run_up_deg)
        sweep = beam.microscope.sweep(beam.settings, scheme.to_deg, scheme.rate_deg_per_s)
        async with beam.on(step, beam.settings), aclosing(sweep):
            limit_s = ANSWER_LIMIT_S + 3 * beam.settings.frame_s
            while True:
                call = beam.within("scan while it tilts", limit_s, anext(sweep, None))
                scan = await beam.engine.unless_aborted(call)
                if scan is None:
                    return
                beam.book(step, scan, beam.settings, swept=True)
                beam.check(scan)
                if wanted and way * (scan.stage.tilt_deg - wanted[0]) >= -half_scan_deg:
                    wanted.pop(0)
                    yield scan
