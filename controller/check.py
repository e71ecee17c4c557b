"""Look at a session before beam time: every error at once, or the timeline with dose and duration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from controller.plan import Heat, Plan, Steer, Step
from controller.plan_blocks import Block, CycleBlock, PulsesBlock, StaircaseBlock, SteeredBlock
from controller.recordings import EdxMap, Image, TiltSeries
from controller.session_file import EdxSection, SessionFile, load_session
from drivers.clock import SteppedClock
from drivers.errors import AlloyscopeError, ConfigError
from drivers.interfaces import Bench
from drivers.registry import Kind, check_options, find, load

_HIGHEST_KEV = 300.0
"""Of the beams that there are."""


def checked_session(path: Path) -> SessionFile:
    """Load a session file and hold it against limits, holder and installed backends.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    session = load_session(path)
    problems = [*_limit_problems(session)]
    sections: tuple[tuple[Kind, str, dict[str, object]], ...] = (
        ("chip", session.chip.backend, session.chip.options),
        ("microscope", session.microscope.backend, session.microscope.options),
        *(() if session.edx is None else (("edx", session.edx.backend, session.edx.options),)),
    )
    usable = True
    for kind, backend, options in sections:
        try:
            find(kind, backend)
            found = check_options(kind, backend, options)
        except ConfigError as error:
            found = [f"{kind}.backend: {p}" for p in error.problems]
        problems += found
        usable &= not found
    if usable:
        problems += _built_problems(path, session)
    if problems:
        raise ConfigError(str(path), problems)
    return session


def timeline(session: SessionFile) -> Iterator[str]:
    """Lines for people: each step with its start, then dose and duration."""
    plan = Plan(session)
    yield f"{session.title} (seed {session.seed})"
    for particle in session.particles:
        if particle.choose:
            yield f"  {particle.name} is chosen before its first recording: {particle.choose}"
    at_s = 0.0
    for step in plan.steps():
        yield f"  {clock_time(at_s)}  {step.id:<18} {_describe(step)}"
        at_s += step.estimate_s()
    for name, dose in plan.dose_e_per_nm2().items():
        yield f"dose on {name}: {dose:.3g} electrons per nm2"
    yield f"estimated duration: {clock_time(at_s)} (h:mm:ss, without waiting for people)"


def clock_time(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _describe(step: Step) -> str:
    match step:
        case Heat():
            return f"heat to {step.temperature_c:g} C at {step.rate_c_per_s:g} C/s, hold {step.duration_s:g} s, quench"
        case TiltSeries():
            s = step.scheme
            return f"{s.mode} tilt series, {len(s.tilts_deg())} tilts from {s.from_deg:g} to {s.to_deg:g} deg"
        case Image():
            return f"one image of {step.particle.name}"
        case EdxMap():
            scan, enough = step.settings.scan, step.sigma_at_pct
            until = "" if enough is None else f", until the composition is known to {enough:g} at%"
            size = f"{scan.shape[0]} x {scan.shape[1]} pixels of {scan.pixel_nm:g} nm"
            return f"EDX map at {step.tilt_deg:g} deg, {step.planned} frames of {size}{until}"
        case Steer():
            b = step.block
            known = f"sigma(dT) {b.sigma_dt_c:g} C" if b.about == "windows" else f"sigma(D) {b.sigma_d_percent:g} %"
            aim = f"{b.alloying:g} alloyed" if b.policy == "until" else known
            return f"{b.policy}: up to {b.most_pulses} pulses at {b.temperature_c:g} C until {b.particle} has {aim}"
        case _:
            return "wait for results"


def _limit_problems(session: SessionFile) -> Iterator[str]:
    limits, told = session.chip_limits(), set()
    for number, block in enumerate(session.plan, 1):
        for where, temperature_c, rate_c_per_s in _temperatures(f"plan[{number}]", block, session.chip.ramp_c_per_s):
            try:
                limits.check_target(where, temperature_c, rate_c_per_s)
            except AlloyscopeError as error:
                if where not in told:  # one stair too high is said once
                    told.add(where)
                    yield str(error)


def _temperatures(where: str, block: Block, ramp_c_per_s: float) -> Iterator[tuple[str, float, float]]:
    """Where the file says them, every temperature that a block asks for, and its ramp."""
    match block:
        case PulsesBlock() | StaircaseBlock():
            named = "temperature_c" if isinstance(block, PulsesBlock) else "to_c"
            for temperature_c, _ in block.pulses():
                yield f"{where}.{named}", temperature_c, block.ramp_c_per_s or ramp_c_per_s
        case SteeredBlock():
            yield f"{where}.temperature_c", block.temperature_c, ramp_c_per_s
            yield from ((f"{where}.temperatures_c", t, ramp_c_per_s) for t in block.temperatures_c)
        case CycleBlock():
            for number, inner in enumerate(block.steps, 1):
                yield from _temperatures(f"{where}.steps[{number}]", inner, ramp_c_per_s)
        case _:
            pass


def _built_problems(path: Path, session: SessionFile) -> Iterator[str]:
    """Build, but do not connect, what the session names, and ask what only the backend knows."""
    bench = Bench(SteppedClock(), session.seed, Path("unused"), path.parent)
    try:
        load("chip", session.chip.backend, bench, session.chip.options)
        microscope = load("microscope", session.microscope.backend, bench, session.microscope.options)
        if session.edx is not None:
            load("edx", session.edx.backend, replace(bench, microscope=microscope), session.edx.options)
            yield from _line_problems(session.edx)
    except ConfigError as error:
        yield from error.problems
        return
    try:
        low, high = microscope.tilt_range_deg()
    except Exception as error:  # noqa: BLE001  # a vendor's driver may raise anything
        yield f"microscope backend {session.microscope.backend!r} must know its tilt range unconnected (found: {error})"
        return
    tilts = [("tilt.from_deg", session.tilt.from_deg), ("tilt.to_deg", session.tilt.to_deg)]
    tilts += [("edx.tilts_deg", tilt_deg) for tilt_deg in (() if session.edx is None else session.edx.tilts_deg)]
    for key, tilt_deg in tilts:
        if not low <= tilt_deg <= high:
            yield (
                f"{key}: {tilt_deg:g} deg is beyond the holder's range of {low:g} to {high:g} deg; "
                f"write a value inside it"
            )


def _line_problems(edx: EdxSection) -> Iterator[str]:
    """Lines and factors that make no sense, before a detector is asked; it may still be too slow a beam for a line."""
    from analysis.edx.composition import composition_of_amounts
    from analysis.edx.k_factors import k_factors
    from analysis.edx.map_analysis import families_asked

    families, problems = families_asked(edx.lines, _HIGHEST_KEV)
    yield from (f"edx.lines: {problem}" for problem in problems)
    if problems:
        return
    try:
        factors = k_factors(families, edx.k, edx.k_basis)
    except ConfigError as error:
        yield from (f"edx.k: {problem}" for problem in error.problems)
        return
    # Of equal parts, where factors count most.
    least = 100.0 * float(composition_of_amounts(np.ones(len(families)), factors).factor_std.max())
    if edx.sigma_at_pct is not None and edx.sigma_at_pct < least:
        yield (
            f"edx.sigma_at_pct: {edx.sigma_at_pct:g} at% may never be reached: the k-factors alone leave "
            f"{least:.2g} at%; give better ones, or more"
        )
