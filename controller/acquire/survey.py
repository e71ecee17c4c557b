"""Choosing the particles of a session from overviews: the session file says what each must be like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.particles.candidates import candidates
from analysis.particles.measurement import Measured, measured
from analysis.particles.outlines import Method, best_method, outlines
from analysis.particles.particle_report import line
from analysis.particles.target import Target
from analysis.particles.wanted import Wanted
from controller.acquire.beam import Beam
from controller.plan.recordings import Image
from controller.plan.session_file import ParticleSection, SurveySection
from controller.record.recorder import Recorder
from drivers.errors import NothingSuitable
from drivers.interfaces import Scan
from drivers.recorded.journal import Journal
from drivers.recorded.records import ParticleChosen


@dataclass(frozen=True)
class Survey:
    """Looks around before the first recording."""

    beam: Beam
    section: SurveySection | None
    particles: tuple[ParticleSection, ...]
    targets: dict[str, Target]
    """Takes in what was chosen."""
    recorder: Recorder
    journal: Journal
    log: Callable[[str, str], None]

    async def choose(self) -> None:
        """Take the particles that are asked for and not chosen yet; each overview is kept in the session folder.

        Raises
        ------
        NothingSuitable
            When no particle in an overview is as asked for.
        """
        for particle in self.particles:
            if particle.name not in self.beam.places_nm:
                await self._choose(particle)

    async def _choose(self, particle: ParticleSection) -> None:
        assert self.section is not None, "the session file says in what overview to choose"
        settings, method = self.section.settings(), best_method()
        await self.beam.shift_image(particle.name, np.zeros(2))
        overview = Image(f"{particle.name}/overview", particle, settings.frame_s)
        scan = await self.beam.look(overview, 0.0, settings)
        await self.recorder.keep_overview(particle.name, scan.image, scan.pixel_nm)
        with self.beam.clock.working():
            bodies = await asyncio.to_thread(_found, scan, method, particle.name)
        middle = 0.5 * (np.array(scan.image.shape) - 1.0)

        def place_nm(body: Measured) -> NDArray[np.float64]:
            """The stage's (y, x) that centres it."""
            seen_nm = scan.pixel_nm * (np.array([body.y_px, body.x_px]) - middle)
            return np.array([particle.y_nm, particle.x_nm]) + self.beam.stage.to_bring(-seen_nm)

        suited = candidates(bodies, Wanted.parse(particle.choose), scan.pixel_nm, scan.image.shape)
        taken_nm = list(self.beam.places_nm.values())
        free = [b for b in suited if all(np.hypot(*(place_nm(b) - t)) > b.feret_nm.value for t in taken_nm)]
        if not free:
            found = line("the overview", bodies)
            raise NothingSuitable(
                f"particle {particle.name}: asked for {particle.choose!r}; {found}; {len(suited)} that would do are "
                "taken already; widen choose, or look elsewhere: x_nm, y_nm, [survey]"
            )
        own = free[0]
        self.beam.places_nm[particle.name] = place_nm(own)
        self.targets[particle.name] = Target(diameter_nm=own.diameter_nm.value)
        y_nm, x_nm = (round(float(v), 1) for v in place_nm(own))
        diameter_nm = own.diameter_nm
        self.journal.write(
            ParticleChosen(
                particle=particle.name,
                y_nm=y_nm,
                x_nm=x_nm,
                shape=own.shape,
                diameter_nm=diameter_nm.value,
                diameter_std_nm=diameter_nm.std,
                method=method,
            )
        )
        words = f"{particle.name} is a particle of {diameter_nm} nm ({own.shape}) at x {x_nm:g}, y {y_nm:g} nm"
        self.log("info", f"{words}; {len(suited)} of {len(bodies)} would do")


def _found(scan: Scan, method: Method, name: str) -> tuple[Measured, ...]:
    try:
        return measured(scan.image, outlines(scan.image, method), scan.pixel_nm)
    except ValueError as error:
        raise NothingSuitable(f"particle {name}: nothing to choose from: {error}") from None
