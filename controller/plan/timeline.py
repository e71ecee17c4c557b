"""A session before beam time, for people: each step with its start, then dose and duration."""

from __future__ import annotations

from collections.abc import Iterator

from controller.plan.dose import Dose
from controller.plan.session_file import SessionFile
from controller.plan.steps import Plan
from drivers.units import clock_time


def timeline(session: SessionFile) -> Iterator[str]:
    """Lines for people."""
    yield f"{session.title} (seed {session.seed})"
    for particle in session.particles:
        if particle.choose:
            yield f"  {particle.name} is chosen before its first recording: {particle.choose}"
    at_s, steps = 0.0, 0
    for step in Plan(session).steps():
        yield f"  {clock_time(at_s)}  {step.id:<18} {step.describe()}"
        at_s += step.estimate_s()
        steps += 1
    for name, dose in Dose(session).by_particle().items():
        yield f"dose on {name}: {dose:.3g} electrons per nm2"
    yield f"{steps} steps can be run as they are written"
    yield f"estimated duration: {clock_time(at_s)} (h:mm:ss, without waiting for people)"
