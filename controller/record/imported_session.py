"""Tilt series that another program recorded, as a session's folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from analysis.reanalysis.manifest import Manifest, ParticleEntry, StateEntry, manifest_items
from controller.plan.recordings import TiltSeries
from controller.plan.session_file import SessionFile
from controller.plan.steps import Heat, Plan, Steer
from drivers.clock import SteppedClock
from drivers.errors import ConfigError
from drivers.frames import Frame, FrameHeader, SeriesEnd, StreamItem
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal
from drivers.recorded.records import Begin, End, FrameRecorded, Heated, SeriesBegin, SeriesEnded, StepDone
from drivers.recorded.session_index import write_session_index
from drivers.recorded.step_file import StepFile
from drivers.recorded.step_layout import StepBegan

FOREIGN = "another program"
_LABEL_BYTES = 4096


def import_session(
    source: Path, manifest: Manifest, folder: Path, *, title: str, session_file: Path | None = None, simulated: bool
) -> int:
    """Write the series of a manifest into a new folder, marked as imported, all of them or nothing.

    Nobody knows when the frames were taken, so that their session times only count them, and there are no others.

    Parameters
    ----------
    source : where the manifest's paths start from
    session_file : kept in the folder
    simulated : the series are of a simulation; those that Alloyscope exported say so themselves

    Returns
    -------
    int
        Frames written.

    Raises
    ------
    ConfigError
        With every problem of the series, and where the folder is there already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError("--out", [f"{folder} is there already; name a new folder, data are never overwritten"])
    items = list(manifest_items(source, manifest))
    part = SessionFolder(folder.with_name(folder.name + ".part"))
    shutil.rmtree(part.path, ignore_errors=True)
    try:
        part.frames.mkdir(parents=True)
        if session_file is not None:
            shutil.copyfile(session_file, part.session_file)
        begin = _begin(manifest, source, title, simulated=simulated)
        if any(_says_simulated(Path(path)) for path in begin.imported_from):
            begin = msgspec.structs.replace(begin, simulated=True)
        _write(part, begin, items)
        write_session_index(part, begin)
        part.path.replace(folder)
    except OSError as error:
        raise ConfigError("--out", [f"{folder} cannot be written ({error}); name one on a disk with room"]) from error
    finally:
        shutil.rmtree(part.path, ignore_errors=True)
    return sum(isinstance(item, Frame) for item in items)


def planned_manifest(file: SessionFile, series: list[tuple[Path, Path | None]], pixel_nm: float | None) -> Manifest:
    """Tilt series (stack, angles) in the order in which a session file plans them, with the heat that it plans between.

    Raises
    ------
    ConfigError
        Where its plan is not one of heat and as many tilt series.
    """
    steps = list(Plan(file).steps())
    planned = sum(isinstance(s, TiltSeries) for s in steps)
    if any(isinstance(s, Steer) for s in steps):
        raise ConfigError("--session", ["its pulses are chosen by the analysis; say in a manifest what heat there was"])
    if planned != len(series):
        words = f"plans {planned} tilt series, {len(series)} are given; give all of them in the order of the plan"
        raise ConfigError("--session", [words])
    left = iter(series)
    states: dict[str, list[StateEntry]] = {p.name: [] for p in file.particles}
    heat: dict[str, list[dict[str, float]]] = {p.name: [] for p in file.particles}
    for step in steps:
        if isinstance(step, Heat):
            for pulses in heat.values():
                pulses.append({"temperature_c": step.temperature_c, "duration_s": step.duration_s})
        elif isinstance(step, TiltSeries):
            name = step.particle.name
            states[name].append(state(*next(left), pixel_nm or file.scan.pixel_nm, heat[name]))
            heat[name] = []
    entries = [
        ParticleEntry(name=p.name, core=p.core, shell=p.shell, window=p.window, state=tuple(states[p.name]))
        for p in file.particles
        if states[p.name]
    ]
    return Manifest(particle=tuple(entries), arrhenius=file.arrhenius)


def state(stack: Path, angles: Path | None, pixel_nm: float | None, heat: Iterable[dict[str, float]]) -> StateEntry:
    told = {"tilt_series": stack, "angles": angles, "pixel_nm": pixel_nm, "heat": list(heat)}
    return StateEntry.model_validate(told)


def _begin(manifest: Manifest, source: Path, title: str, *, simulated: bool) -> Begin:
    particles = manifest.particle
    return Begin(
        session=title,
        seed=0,
        simulated=simulated,
        particles=tuple(p.name for p in particles),
        uncertainty=manifest.uncertainty.model_dump(),
        activation=None if manifest.arrhenius is None else manifest.arrhenius.model_dump(),
        microscope=FOREIGN,
        elements=tuple(dict.fromkeys(metal for p in particles for metal in (p.core, p.shell))),
        imported_from=tuple(str((source.parent / s.tilt_series).resolve()) for p in particles for s in p.state),
    )


def _says_simulated(path: Path) -> bool:
    """By the label that `StepImages` gives what is exported, which every format has near its beginning."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return b"Alloyscope: SIMULATED" in file.read(_LABEL_BYTES)


def _write(folder: SessionFolder, begin: Begin, items: list[StreamItem]) -> None:
    planned = {item.step: item.planned for item in items if isinstance(item, SeriesEnd)}
    journal, file = Journal(folder.journal, SteppedClock()), None
    booked: dict[str, int] = {}
    try:
        journal.write(begin)
        for item in items:
            if isinstance(item, SeriesEnd):
                assert file is not None, "a series has frames"
                file.close()
                file = None
                journal.write(SeriesEnded(mark=item))
                journal.write(StepDone(step=item.step))
                continue
            header = msgspec.structs.replace(item.header, session=begin.session, simulated=begin.simulated)
            frame = Frame(header, item.image)
            if file is None:
                for pulse in _heat_before(header, booked.get(header.particle, 0)):
                    journal.write(pulse)
                booked[header.particle] = len(header.heat)
                journal.write(SeriesBegin(step=header.step, particle=header.particle, planned=planned[header.step]))
                file = StepFile(folder.step_file(header.step), frame, StepBegan(microscope=FOREIGN))
            file.append(frame)
            journal.write(FrameRecorded(seq=header.seq, step=header.step, tilt_deg=header.tilt_deg))
        journal.write(End(reason="imported", message="", dose_e_per_nm2={}))
    finally:
        if file is not None:
            file.close()
        journal.close()


def _heat_before(header: FrameHeader, booked: int) -> Iterator[Heated]:
    """A particle's pulses since its series before; another particle on the chip tells the same ones of itself."""
    for number, pulse in enumerate(header.heat[booked:], 1):
        step = f"{header.step.rpartition('/')[0]}/heat{number}"
        worth_s = pulse.duration_s
        yield Heated(
            step=step,
            temperature_c=pulse.temperature_c,
            duration_s=worth_s,
            worth_s=worth_s,
            worth_std_s=pulse.std_s,
        )
