"""One particle of one source: what a worker is asked for, here or on another host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from analysis.diffusion.arrhenius import Followed
from analysis.reanalysis.checkpoint import Checkpoint
from analysis.reanalysis.offline import run_through
from analysis.reanalysis.source import open_source
from analysis.results import Arrhenius, Result
from drivers.errors import ConfigError


@dataclass(frozen=True)
class ParticleTask:
    """A worker reads the data itself: paths must lead to them where it runs."""

    source: Path
    particle: str
    spread: str

    def __str__(self) -> str:
        return f"{self.particle} of {self.source}"


@dataclass(frozen=True)
class AnalysedParticle:
    """What became of it."""

    results: tuple[Result, ...] = ()
    """In order; without the law of all particles together, which no worker knows."""
    followed: tuple[Followed, ...] = ()
    """How far it has diffused in each state; none before it was heated."""
    left_out: tuple[str, ...] = ()
    """What is damaged, in words."""
    problem: str = ""
    """Why there are no results."""
    seconds: float = 0.0
    """That the analysis of its series took, wherever and whenever it was done."""


def analyse_particle(task: ParticleTask) -> AnalysedParticle:
    """Read and analyse it, going on where one that was cut had come to; never raises for poor data.

    What is finished is kept in the cache of the worker's user, so that a command which is given again, with more
    sources or after it was cut, finds it there.
    """
    try:
        source = open_source(task.source)
        recorded = source.read(task.particle)
    except ConfigError as error:
        return AnalysedParticle(problem="; ".join(error.sentences))
    checkpoint = Checkpoint(source.settings(task.spread), recorded.items)
    found = checkpoint.finished(AnalysedParticle)
    if found is None:
        pipeline, results = run_through(recorded, checkpoint, lambda _: None, lambda *_: None)
        own = tuple(r for r in results if not isinstance(r, Arrhenius))
        seconds = sum(getattr(r, "analysis_s", 0.0) for r in own)
        found = AnalysedParticle(own, tuple(pipeline.followed()), seconds=seconds)
        checkpoint.finish(found)
    return replace(found, left_out=recorded.left_out)
