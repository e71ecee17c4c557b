"""What a plan costs in electrons: per frame, per recording with the looks before it, per particle."""

from __future__ import annotations

from dataclasses import dataclass

from controller.plan.recordings import EdxMap, Recording
from controller.plan.session_file import SessionFile, Tracking
from controller.plan.steps import Plan
from drivers.units import electrons_per_nm2

MOST_LOOKS = 3
"""For the particle, to bring it to the middle."""
LOOK_WIDER = 2
"""The field of a look over that of the data."""


@dataclass(frozen=True)
class Dose:
    """Of the recordings of one session, in electrons per nm2."""

    session: SessionFile

    def of_frame(self, taken: Recording | None = None) -> float:
        """One frame of this, by default one scan."""
        scan = self.session.edx if isinstance(taken, EdxMap) and self.session.edx else self.session.scan
        return electrons_per_nm2(scan.current_pa, scan.dwell_us * 1e-6, scan.pixel_nm)

    def of_recording(self, taken: Recording) -> float:
        """A recording at most, with the looks before it."""
        edx, scan = self.session.edx, self.session.scan
        finer = 1.0 if edx is None else scan.pixel_nm / edx.pixel_nm
        looks = most_frames_of_looks(self.session.tracking, taken, finer) * self.of_frame()
        return looks + taken.exposures * self.of_frame(taken)

    def by_particle(self) -> dict[str, float]:
        """What each particle will get at most."""
        dose: dict[str, float] = {}
        if self.session.survey is not None:
            survey, pa = self.session.survey, self.session.scan.current_pa
            overview = electrons_per_nm2(pa, survey.dwell_us * 1e-6, survey.pixel_nm)
            dose = {p.name: overview for p in self.session.particles if p.choose}
        for taken in Plan(self.session).recordings():
            dose[taken.particle.name] = dose.get(taken.particle.name, 0.0) + self.of_recording(taken)
        return dose


def most_frames_of_looks(tracking: Tracking, taken: Recording, finer: float) -> float:
    """Of how many frames the dose is that looking for a particle may take.

    Parameters
    ----------
    finer : how many times smaller the pixels of EDX maps are than those of frames
    """
    of_a_map = isinstance(taken, EdxMap)
    centred = tracking.on or of_a_map or bool(taken.particle.choose)
    looks = (3.0 if tracking.eucentric else 0.0) + (MOST_LOOKS if centred else 0)
    if of_a_map and finer > 1.0:
        looks += MOST_LOOKS * finer**2
    return looks / LOOK_WIDER**2
