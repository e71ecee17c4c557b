"""Score the analysis on sessions whose truth is known: bias, scatter, and whether sigma means what it says."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import active_children, get_context
from typing import Any, Literal

import numpy as np

from drivers.errors import ConfigError
from drivers.interfaces import Rehearsal
from drivers.registry import find

Estimator = Literal["projections", "curve"]
ESTIMATORS: tuple[Estimator, ...] = ("projections", "curve")
NONE = "none"
"""Sessions without imperfections."""


@dataclass(frozen=True)
class Trial:
    """One session, analysed."""

    particle: str
    variant: str
    seed: int
    truth_m2_per_s: float
    fitted_m2_per_s: dict[str, float]
    std_m2_per_s: dict[str, float | None]
    """Statistical, and of sessions with imperfections the total; none where D is only bounded."""
    bound_m2_per_s: float | None
    """Cramer-Rao bound of `projections`."""
    volume: float
    """First state's volume over the true one."""
    quality: str
    analysis_s: float
    imperfections: str = NONE
    settled_m2_per_s: Mapping[str, float | None] = field(default_factory=dict)
    """The total but for the calibration of the temperature."""
    suffered: Mapping[str, float] = field(default_factory=dict)
    """Sizes of the imperfections, by the names of the effects."""
    budget_percent: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of D, by estimator and cause of a systematic error."""


@dataclass(frozen=True)
class Score:
    """One estimator on one particle over its seeds, in per cent of the true D."""

    particle: str
    variant: str
    estimator: str
    seeds: int
    truth_m2_per_s: float
    mean_m2_per_s: float
    bias_percent: float
    scatter_percent: float
    sigma_percent: float
    bound_percent: float
    """Mean Cramer-Rao bound: no unbiased estimator scatters less."""
    within_1_sigma: float
    within_2_sigma: float
    analysis_s: float
    imperfections: str = NONE


def rehearsal() -> Rehearsal:
    """The simulated rehearsal, found by name like any backend."""
    made: Rehearsal = find("rehearsal", "simulated")()
    return made


def validate(
    particles: Sequence[str],
    seeds: int,
    variant: str,
    report: Callable[[Trial], None],
    *,
    imperfections: Sequence[str] = (NONE,),
    first_seed: int = 1,
    processes: int | None = None,
) -> tuple[list[Trial], list[Score]]:
    """Run every particle with so many seeds under each of the imperfections, one process per core, and score.

    An interrupt (Ctrl-C) scores what is done by then; all particles get a seed before any gets the next.

    Raises
    ------
    ConfigError
        For a particle, variant or imperfection that does not exist, before anything runs.
    """
    known = rehearsal()
    problems = [
        f"no particle {p!r}; there are {', '.join(known.particles())}" for p in particles if p not in known.particles()
    ]
    if variant not in known.variants():
        problems.append(f"no variant {variant!r}; there are {', '.join(known.variants())}")
    problems += [
        f"no imperfection {i!r}; there are {', '.join(known.imperfections())}"
        for i in imperfections
        if i not in known.imperfections()
    ]
    if problems:
        raise ConfigError("validate", problems)
    for library in ("NUMBA", "OPENBLAS", "OMP"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    trials = []
    workers = processes or os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        tasks = [
            (p, variant, s, i) for s in range(first_seed, first_seed + seeds) for p in particles for i in imperfections
        ]
        try:
            for trial in pool.map(_trial, tasks):
                report(trial)
                trials.append(trial)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in active_children():  # they would still finish what they have taken on
                worker.terminate()
    ran = {(t.particle, t.imperfections) for t in trials}
    done = [(p, i) for i in imperfections for p in particles if (p, i) in ran]
    return trials, [score(trials, p, e, i) for p, i in done for e in ESTIMATORS]


def _trial(task: tuple[str, str, int, str]) -> Trial:
    from analysis.live.pipeline import Pipeline
    from analysis.live.settings import AnalysisSettings
    from analysis.results import DiffusivityResult, StateResult

    particle, variant, seed, imperfections = task
    session = rehearsal().session(particle, seed, variant, imperfections)
    pipeline = Pipeline(AnalysisSettings(seed=seed))
    last: DiffusivityResult | None = None
    volume, spent_s, words = math.nan, 0.0, "no D"
    for item in session.items:
        began = time.monotonic()
        for result in pipeline.feed(item):
            if isinstance(result, DiffusivityResult):
                last = result
            elif isinstance(result, StateResult):
                if result.state == 0 and result.volume_nm3 is not None:
                    volume = result.volume_nm3 / session.volume_nm3
                words = result.quality
        spent_s += time.monotonic() - began
    found = {} if last is None else {"projections": last.diffusivities[0], "curve": last.by_curve[0]}
    return Trial(
        particle=particle,
        variant=variant,
        seed=seed,
        truth_m2_per_s=session.d_m2_per_s,
        fitted_m2_per_s={e: d.value for e, d in found.items()},
        std_m2_per_s={e: _finite(d.std if imperfections == NONE else d.total) for e, d in found.items()},
        settled_m2_per_s={e: _finite(d.without_temperature) for e, d in found.items()},
        bound_m2_per_s=last.diffusivities[0].bound if last is not None else None,
        volume=volume,
        quality=words if last is None else last.quality,
        analysis_s=spent_s,
        imperfections=imperfections,
        suffered=dict(session.imperfections),
        budget_percent={e: {s.cause: 100.0 * s.part for s in d.budget} for e, d in found.items()},
    )


def _finite(std: float) -> float | None:
    return std if math.isfinite(std) else None


def score(trials: Sequence[Trial], particle: str, estimator: str, imperfections: str = NONE) -> Score:
    """Bias, scatter and coverage of one estimator on one particle; trials that only bound D are left out."""
    own = [t for t in trials if t.particle == particle and t.imperfections == imperfections]
    told = [t for t in own if t.std_m2_per_s.get(estimator) is not None]
    truth = own[0].truth_m2_per_s
    value = np.array([t.fitted_m2_per_s[estimator] for t in told])
    std = np.array([t.std_m2_per_s[estimator] for t in told], np.float64)
    pull = np.abs(value - truth) / std
    some = len(told) > 0
    bounds = [t.bound_m2_per_s for t in told if t.bound_m2_per_s is not None and estimator == "projections"]
    return Score(
        particle=particle,
        variant=own[0].variant,
        estimator=estimator,
        seeds=len(told),
        truth_m2_per_s=truth,
        mean_m2_per_s=float(value.mean()) if some else math.nan,
        bias_percent=100.0 * float(value.mean() / truth - 1.0) if some else math.nan,
        scatter_percent=100.0 * float(value.std(ddof=1)) / truth if len(told) > 1 else math.nan,
        sigma_percent=100.0 * float(std.mean()) / truth if some else math.nan,
        bound_percent=100.0 * float(np.mean(bounds)) / truth if bounds else math.nan,
        within_1_sigma=float(np.mean(pull < 1.0)) if some else math.nan,
        within_2_sigma=float(np.mean(pull < 2.0)) if some else math.nan,
        analysis_s=float(np.mean([t.analysis_s for t in own])),
        imperfections=imperfections,
    )


def table(scores: Sequence[Score], trials: Sequence[Trial]) -> list[str]:
    """The scores as a Markdown table, and the pooled coverage below it."""
    heads = [
        "particle",
        "imperfections",
        "estimator",
        "seeds",
        "true D (m2/s)",
        "mean D (m2/s)",
        "bias",
        "scatter",
        "bound",
        "mean sigma",
    ]
    heads += ["in 1 sigma", "in 2 sigma", "analysis"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for s in scores:
        lines.append(
            f"| {s.particle} | {s.imperfections} | {s.estimator} | {s.seeds} | {s.truth_m2_per_s:.2e} "
            f"| {_plain(s.mean_m2_per_s, '.3e')} | {_percent(s.bias_percent, '+.2f')} "
            f"| {_percent(s.scatter_percent)} | {_percent(s.bound_percent)} "
            f"| {_percent(s.sigma_percent)} | {_percent(100 * s.within_1_sigma, '.0f')} "
            f"| {_percent(100 * s.within_2_sigma, '.0f')} "
            f"| {s.analysis_s:.0f} s |"
        )
    for estimator in ESTIMATORS:
        pulls = [
            abs(t.fitted_m2_per_s[estimator] - t.truth_m2_per_s) / std
            for t in trials
            if (std := t.std_m2_per_s.get(estimator)) is not None
        ]
        if pulls:
            lines.append("")
            lines.append(
                f"All particles, {estimator}: {100 * np.mean(np.array(pulls) < 1):.0f} % of {len(pulls)} truths "
                f"within 1 sigma, {100 * np.mean(np.array(pulls) < 2):.0f} % within 2."
            )
    both = [
        (s.scatter_percent, s.bound_percent)
        for s in scores
        if math.isfinite(s.scatter_percent) and math.isfinite(s.bound_percent)
    ]
    if both:
        scatter, bound = (math.sqrt(sum(v**2 for v in column)) for column in zip(*both, strict=True))
        lines += ["", f"The scatter of projections is {scatter / bound:.2f} times its bound, all particles together."]
    return lines


def _percent(value: float, form: str = ".2f") -> str:
    return f"{value:{form}} %" if math.isfinite(value) else "-"


def _plain(value: float, form: str) -> str:
    return f"{value:{form}}" if math.isfinite(value) else "-"


def as_json(trials: Sequence[Trial], scores: Sequence[Score]) -> dict[str, Any]:
    """Everything, for a file; what could not be computed is null."""

    def plain(row: dict[str, Any]) -> dict[str, Any]:
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}

    return {
        "simulated": True,
        "scores": [plain(asdict(s)) for s in scores],
        "trials": [plain(asdict(t)) for t in trials],
    }
