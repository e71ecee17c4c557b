"""``alloyscope plan``: a session rehearsed on the twin before beam time, and what it should tell for what it costs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.diffusion.forecast import Expected, Forecast, Pulses
from analysis.results import AnyResult, Arrhenius, DiffusivityResult, StateResult
from controller import events as ev
from controller.engine import RunState
from controller.plan.recordings import TiltSeries
from controller.plan.session_file import ChipSection, MicroscopeSection, SessionFile
from controller.plan.steps import Heat, Plan, Steer
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.errors import ConfigError
from drivers.interfaces import DriverContext
from drivers.recorded.folder import SessionFolder
from drivers.registry import Kind, load
from drivers.units import clock_time


@dataclass(frozen=True)
class PlanRehearsal:
    """What one run on the twin told, and cost."""

    results: list[AnyResult]
    duration_s: float
    ledger: dict[str, Any]
    tilt_series: int


def rehearse(file: SessionFile, source: Path, say: ev.Listener) -> PlanRehearsal:
    """Run the whole session on the stepped clock in a folder that is thrown away.

    Raises
    ------
    ConfigError
        When a backend is not simulated: a rehearsal must not touch an instrument.
    """
    context = DriverContext(SteppedClock(), file.seed, Path("unused"), source.parent)
    sections: tuple[tuple[Kind, ChipSection | MicroscopeSection], ...] = (
        ("chip", file.chip),
        ("microscope", file.microscope),
    )
    for kind, section in sections:
        if not load(kind, section.backend, context, section.options).simulated:
            raise ConfigError(
                str(source),
                [
                    f'{kind}.backend = "{section.backend}" is a real instrument; a plan is rehearsed on the twin: '
                    'write backend = "simulated", with the specimens and windows that you expect as its options'
                ],
            )
    with tempfile.TemporaryDirectory(prefix="alloyscope-plan-") as folder:
        clock = SteppedClock()
        session = Session(file, source, SessionFolder(Path(folder) / "session"), clock, [say])

        def nobody_resumes(event: ev.Event) -> None:
            if isinstance(event, ev.RunStateChanged) and event.state == RunState.PAUSED.value:
                session.engine.abort("it would wait here for a person to resume it")

        session.listeners.append(nobody_resumes)
        clock.run(session.run())
        series = sum(isinstance(r, StateResult) for r in session.results)
        return PlanRehearsal(session.results, clock.now(), session.json()["ledger"], series)


def expectations(file: SessionFile, rehearsal: PlanRehearsal, *, improve: bool) -> tuple[list[str], dict[str, Any]]:
    """Lines for people, and the same as plain data."""
    latest = {r.particle: r for r in rehearsal.results if isinstance(r, DiffusivityResult)}
    laws = [r for r in rehearsal.results if isinstance(r, Arrhenius)]
    lines = list(_told(latest, laws[-1] if laws else None))
    plain: dict[str, Any] = {"sigma_d_percent": {}, "sigma_dt_c": {}}
    for name, result in latest.items():
        plain["sigma_d_percent"][name] = {
            f"{d.temperature_c:g}": 100.0 * d.std / d.value for d in result.diffusivities if d.known
        }
    if laws:
        plain["sigma_dt_c"] = {w: o.std for w, o in laws[-1].offsets_c.items()}
        plain["sigma_q_j_per_mol"] = laws[-1].q_j_per_mol.std
    plain |= {"duration_s": rehearsal.duration_s, "ledger": rehearsal.ledger, "tilt_series": rehearsal.tilt_series}
    for name, entry in rehearsal.ledger.items():
        heat = ", ".join(f"{h['duration_s']:.0f} s at {h['temperature_c']:g} C" for h in entry["heat"]) or "no heat"
        lines.append(f"{name}: {entry['dose_e_per_nm2']:.3g} electrons per nm2; {heat}")
    lines.append(f"{rehearsal.tilt_series} tilt series in {clock_time(rehearsal.duration_s)} (h:mm:ss)")
    if improve:
        more, proposal = _improvement(file, list(latest.values()), laws[-1] if laws else None)
        lines += more
        plain["improved"] = proposal
    return lines, plain


def _told(latest: dict[str, DiffusivityResult], law: Arrhenius | None) -> Iterator[str]:
    if not latest:
        yield "no D: no particle is followed by tilt series from before its first heat to after it"
    for name, result in latest.items():
        for d in result.diffusivities:
            if d.known:
                percent = 100.0 * d.std / d.value
                yield f"{name}: sigma(D) at {d.temperature_c:g} C is {percent:.2f} % (D {d.value:.2g} m2/s)"
            else:
                yield f"{name}: D at {d.temperature_c:g} C is only bounded; {result.quality}"
    if law is not None:
        for window, offset in law.offsets_c.items():
            yield f"window {window}: sigma(dT) is {offset.std:.2g} C against {law.reference}"
        yield f"activation energy: sigma is {1e-3 * law.q_j_per_mol.std:.2g} kJ/mol"


def _improvement(
    file: SessionFile, latest: list[DiffusivityResult], law: Arrhenius | None
) -> tuple[list[str], dict[str, Any] | None]:
    pulses = _pulses(file)
    forecast = Forecast(latest, file.arrhenius, None if law is None else law.q_j_per_mol.value)
    if pulses is None or not forecast.known:
        return ["no proposal: it needs at least one particle with D, and a tilt series after each pulse"], None
    now = forecast.expected(pulses)
    better = forecast.improved(pulses, file.chip.limits.max_c)
    then = forecast.expected(better)
    if not then.aim < 0.98 * now.aim:
        return ["no better pulses were found for as many tilt series and no more time at temperature"], None
    lines = ["", "as many tilt series, no more time at temperature, but:"]
    lines += [f"  {words}" for words in _compared(now, then)]
    lines += [
        f'[[plan]]\nkind = "pulses"\ntemperature_c = {temperature_c:g}\ndurations_s = [{duration_s:g}]'
        for temperature_c, duration_s in better
    ]
    return lines, {"pulses": better, "expected": _plain(then), "expected_as_written": _plain(now)}


def _plain(expected: Expected) -> dict[str, dict[str, float | None]]:
    """JSON has no infinity: what cannot be told has no error."""
    return {k: {n: v if np.isfinite(v) else None for n, v in by.items()} for k, by in asdict(expected).items()}


def _compared(now: Expected, then: Expected) -> Iterator[str]:
    for name, before in now.d_percent.items():
        yield f"{name}: sigma(D) about {then.d_percent[name]:.2f} % instead of {before:.2f} %"
    for window, before in now.offset_c.items():
        yield f"window {window}: sigma(dT) about {then.offset_c[window]:.2g} C instead of {before:.2g} C"


def _pulses(file: SessionFile) -> Pulses | None:
    """The pulses in order; nothing where one is not followed by a tilt series, or chosen only when its time comes."""
    pulses: list[tuple[float, float]] = []
    seen = True
    for step in Plan(file).steps():
        if isinstance(step, Steer):
            return None
        if isinstance(step, Heat):
            if not seen:
                return None
            pulses.append((step.temperature_c, step.duration_s))
            seen = False
        elif isinstance(step, TiltSeries):
            seen = True
    return tuple(pulses) if pulses and seen else None
