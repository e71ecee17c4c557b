"""A session file held against limits, holder and backends before beam time: every error at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from controller.plan.dose import Dose
from controller.plan.recordings import Image, TiltSeries
from controller.plan.session_file import EdxSection, SessionFile, load_session
from controller.plan.steps import Plan
from drivers.abilities import ChipAbilities, MicroscopeAbilities, chip_abilities, microscope_abilities
from drivers.clock import SteppedClock
from drivers.errors import AlloyscopeError, ConfigError
from drivers.interfaces import Device, DriverContext, HeatingChip, Microscope, ScanSettings
from drivers.registry import Kind, check_options, load

_LONGEST_S = 30 * 86400.0
_MOST_E_PER_NM2 = 1e12
_COARSEST_NM, _PARTICLE_NM = 10.0, 100.0
"""Pixels of a tilt series, and a large particle."""
_LONGEST_FRAME_S = 3600.0
_DEAF_S = 10.0
"""A beam may be on for so long with nobody who could blank it."""
_HIGHEST_KEV = 300.0
"""Of the beams that there are."""


def checked_session(path: Path, *, faked_clock: bool = False, origin: Path | None = None) -> SessionFile:
    """Load a session file and hold it against limits, holder and installed backends.

    Parameters
    ----------
    faked_clock : the session is to run on a clock that is not real time, which no real instrument may see
    origin : folder that relative paths start from; by default the file's own

    Raises
    ------
    ConfigError
        With every problem found.
    """
    session, origin = load_session(path), origin or path.parent
    problems = [*_limit_problems(session), *_length_problems(session), *_pixel_problems(session)]
    sections: tuple[tuple[Kind, str, dict[str, object]], ...] = (
        ("chip", session.chip.backend, session.chip.options),
        ("microscope", session.microscope.backend, session.microscope.options),
        *(() if session.edx is None else (("edx", session.edx.backend, session.edx.options),)),
    )
    usable = True
    for kind, backend, options in sections:
        try:
            found = check_options(kind, backend, options, origin)
        except ConfigError as error:
            found = [f"{kind}.backend: {p}" for p in error.problems]
        problems += found
        usable &= not found
    if usable:
        problems += _built_problems(origin, session, faked_clock=faked_clock)
    if session.telemetry is not None:
        try:
            session.telemetry.broker(origin)
        except ConfigError as error:
            problems += [f"telemetry.{p}" for p in error.problems]
    if problems:
        raise ConfigError(str(path), problems)
    return session


def check_heat(session: SessionFile, origin: Path, step: str, temperature_c: float, rate_c_per_s: float) -> None:
    """Raise `AlloyscopeError` where a pulse would pass the limits of the session file, or of the chip's instrument."""
    session.chip.limits.check_target(step, temperature_c, rate_c_per_s)
    context = DriverContext(SteppedClock(), session.seed, Path("unused"), origin, limits=session.chip.limits)
    most_c = chip_abilities(load("chip", session.chip.backend, context, session.chip.options)).max_c
    if most_c is not None and temperature_c > most_c:
        raise ConfigError(step, [f"{temperature_c:g} C was asked, the chip's instrument ends at {most_c:g} C"])


def _limit_problems(session: SessionFile) -> Iterator[str]:
    limits, said = session.chip.limits, set()
    for number, block in enumerate(session.plan, 1):
        for asked in block.asked(f"plan[{number}]"):
            try:
                limits.check_target(asked.where, asked.temperature_c, asked.ramp_c_per_s or session.chip.ramp_c_per_s)
            except AlloyscopeError as error:
                if asked.where not in said:  # one stair too high is said once
                    said.add(asked.where)
                    yield str(error)


def _length_problems(session: SessionFile) -> Iterator[str]:
    """No holder stays in for a month, and no particle bears what this refuses."""
    at_s = 0.0
    for step in Plan(session).steps():
        at_s += step.estimate_s()
        if at_s > _LONGEST_S:
            yield f"plan: takes more than {_LONGEST_S / 86400:.0f} days; shorten it, or split it into sessions"
            return
    for name, dose in Dose(session).by_particle().items():
        if dose > _MOST_E_PER_NM2:
            words = f"plan: gives {name} {dose:.2g} electrons per nm2, above {_MOST_E_PER_NM2:.0g}"
            yield f"{words}; check dwell, current and pixel size"


def _pixel_problems(session: SessionFile) -> Iterator[str]:
    """A tilt series tells nothing of a particle that is a few pixels wide."""
    pixel_nm = session.scan.pixel_nm
    if pixel_nm > _COARSEST_NM and any(isinstance(r, TiltSeries) for r in Plan(session).recordings()):
        wide = f"{_PARTICLE_NM / pixel_nm:.1f} pixels"
        yield (
            f"scan.pixel_nm: {pixel_nm:g} nm; a particle of {_PARTICLE_NM:g} nm would be {wide} wide, and its alloying "
            "takes some forty: write the pixel size in nm, mostly below 1"
        )


def _built_problems(origin: Path, session: SessionFile, *, faked_clock: bool) -> Iterator[str]:
    """Build, but do not connect, what the session names, and ask what only the backend knows."""
    context = DriverContext(SteppedClock(), session.seed, Path("unused"), origin, limits=session.chip.limits)
    try:
        chip: HeatingChip = load("chip", session.chip.backend, context, session.chip.options)
        microscope: Microscope = load("microscope", session.microscope.backend, context, session.microscope.options)
        devices: list[Device] = [chip, microscope]
        if session.edx is not None:
            on_it = replace(context, microscope=microscope)
            devices.append(load("edx", session.edx.backend, on_it, session.edx.options))
            yield from _line_problems(session.edx)
    except ConfigError as error:
        yield from error.sentences
        return
    for device in devices if faked_clock else ():
        if not (device.simulated or getattr(device, "replayed", False)):
            yield (
                f"{device.name}.backend is a real instrument; in a dry run, or with --speed, hours pass in seconds and "
                'it would be driven like that: write backend = "simulated", or use run'
            )
    yield from _ability_problems(session, chip_abilities(chip), microscope_abilities(microscope))
    yield from _replay_problems(session, microscope)
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


def _ability_problems(session: SessionFile, chip: ChipAbilities, microscope: MicroscopeAbilities) -> Iterator[str]:
    """What the plan asks for and the instruments, by their drivers' word, cannot do."""
    hottest_c = max((a.temperature_c for b in session.plan for a in b.asked("plan")), default=0.0)
    if chip.max_c is not None and hottest_c > chip.max_c:
        yield f"plan: asks for {hottest_c:g} C, the chip's instrument ends at {chip.max_c:g} C; lower the temperature"
    if chip.max_ramp_c_per_s is not None and session.chip.ramp_c_per_s > chip.max_ramp_c_per_s:
        found = f"the chip's instrument ramps at {chip.max_ramp_c_per_s:g} C/s at most"
        yield f"chip.ramp_c_per_s: {session.chip.ramp_c_per_s:g} C/s, {found}; lower it"
    if session.tilt.mode == "continuous" and not microscope.sweeps:
        yield 'tilt.mode: this microscope cannot scan while it tilts; write mode = "stepped"'
    for name, scan in _scans(session):
        if microscope.shapes and scan.shape not in microscope.shapes:
            sizes = ", ".join(f"{y}x{x}" for y, x in sorted(microscope.shapes))
            yield f"{name}.shape: this microscope gives no {scan.shape[0]}x{scan.shape[1]} pixels; it has {sizes}"
        if microscope.pixel_nm is not None and not microscope.pixel_nm[0] <= scan.pixel_nm <= microscope.pixel_nm[1]:
            least, most = microscope.pixel_nm
            yield f"{name}.pixel_nm: {scan.pixel_nm:g} nm; this microscope has pixels of {least:.3g} to {most:.3g} nm"
        if scan.frame_s > _LONGEST_FRAME_S:
            yield f"{name}.dwell_us: a frame would take {scan.frame_s:.0f} s, more than an hour; lower it"
        if not microscope.interrupts and scan.frame_s > _DEAF_S:
            yield (
                f"{name}.dwell_us: a frame takes {scan.frame_s:.0f} s, during which this microscope hears nothing: an "
                f"emergency stop would blank the beam only after it. Frames of up to {_DEAF_S:g} s are taken; lower it"
            )


def _scans(session: SessionFile) -> Iterator[tuple[str, ScanSettings]]:
    yield "scan", session.scan.settings()
    if session.survey is not None:
        yield "survey", session.survey.settings()


def _replay_problems(session: SessionFile, microscope: Microscope) -> Iterator[str]:
    """What a microscope that plays recordings does not find in them; of tilts, where they are known before."""
    unplayable = getattr(microscope, "unplayable", None)
    if unplayable is None:
        return
    steps = [step for step in Plan(session).steps() if isinstance(step, (TiltSeries, Image))]
    known = session.survey is None and not session.tracking.on and session.tilt.mode == "stepped"
    yield from unplayable([step.tilts_deg for step in steps] if known else [], session.scan.settings())


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
