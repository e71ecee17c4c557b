"""Many sources side by side, a particle at a time; what a source's particles tell together is put together here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.live.faults import surviving
from analysis.live.pipeline import law_of
from analysis.reanalysis.executors import Executor
from analysis.reanalysis.offline import Hear, check_spread, software
from analysis.reanalysis.particle_task import AnalysedParticle, ParticleTask
from analysis.reanalysis.source import OldData, open_source
from analysis.results import DiffusivityResult, Result
from analysis.results.summary import summary
from drivers.errors import ConfigError


@dataclass(frozen=True)
class AnalysedSource:
    """One manifest or session, all its particles together."""

    name: str
    results: tuple[Result, ...]
    summary: dict[str, Any]
    """As `analyse` of this source alone tells it."""
    seconds: float = 0.0
    """That its tilt series took to be analysed."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Why a particle has no results; of no particle (""), why the source has none."""
        problems: dict[str, str] = self.summary.get("problems", {})
        return problems

    @property
    def left_out(self) -> Sequence[str]:
        """What is damaged, in words."""
        left_out: list[str] = self.summary.get("left_out", [])
        return left_out


@dataclass
class _Waiting:
    """A source of which particles are still analysed."""

    source: OldData
    done: dict[str, AnalysedParticle] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.done) == len(self.source.particles)


def analyse_many(
    places: Mapping[str, Path],
    executor: Executor,
    spread: str,
    hear: Hear = lambda *_: None,
    report: Callable[[AnalysedSource], None] = lambda _: None,
) -> list[AnalysedSource]:
    """Analyse all sources, by their names; each is reported as soon as it is whole, and returned in their order.

    Raises
    ------
    ConfigError
        Where no source can be opened. One among others that cannot, and data that turn out to be unreadable later, cost
        themselves alone: they are in the `problems`.
    """
    check_spread(spread)
    opened, found = _opened(places)
    for refused in found.values():
        report(refused)
    waiting = {name: _Waiting(source) for name, source in opened.items()}
    tasks = {
        # Where the manifest is: what it may be a link to has other files beside it.
        ParticleTask(w.source.path.absolute(), p, spread): (name, p)
        for name, w in waiting.items()
        for p in w.source.particles
    }
    hear(0, len(tasks))
    for number, (task, analysed) in enumerate(executor.run(list(tasks)), 1):
        name, particle = tasks[task]
        own = waiting[name]
        own.done[particle] = analysed
        hear(number, len(tasks))
        if own.complete:
            found[name] = _together(name, own, spread)
            report(found[name])
    return [found[name] for name in places]


def _opened(places: Mapping[str, Path]) -> tuple[dict[str, OldData], dict[str, AnalysedSource]]:
    """Those that can be, and what is said of the others; raises `ConfigError` where there is nothing else."""
    opened: dict[str, OldData] = {}
    refused: dict[str, AnalysedSource] = {}
    for name, path in places.items():
        try:
            source = open_source(path)
            if not source.particles:
                raise ConfigError(str(path), ["holds no recorded frames, so there is nothing to analyse; leave it out"])
            opened[name] = source
        except ConfigError as error:
            why = {"": "; ".join(error.sentences)}
            refused[name] = AnalysedSource(name, (), {"particles": {}, "problems": why})
    if not opened:
        raise ConfigError("analyse", [f"{name}: {r.problems['']}" for name, r in refused.items()])
    return opened, refused


def _together(name: str, waiting: _Waiting, spread: str) -> AnalysedSource:
    """The one step that needs all particles of a source: the law, and the windows' temperatures."""
    source = waiting.source
    in_order = [waiting.done[p] for p in source.particles]
    results = [r for analysed in in_order for r in analysed.results]
    told = [r for r in results if isinstance(r, DiffusivityResult)]
    followed = [f for analysed in in_order for f in analysed.followed]
    with surviving(f"{name}, all particles together"):
        results += law_of(told, followed, source.settings(spread))
    left_out = [words for analysed in in_order for words in analysed.left_out]
    problems = {p: waiting.done[p].problem for p in source.particles if waiting.done[p].problem}
    if not problems:  # else those that a report has are better
        source.keep(results, spread)
    told_of_all = summary(results, source.provenance(spread) | software())
    told_of_all |= {"left_out": left_out} if left_out else {}
    told_of_all |= {"problems": problems} if problems else {}
    return AnalysedSource(name, tuple(results), told_of_all, sum(a.seconds for a in in_order))
