"""A manifest: tilt series of old data as files, and the heat between them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from analysis.diffusion.activation_energy import ActivationEnergy
from analysis.diffusion.uncertainty import Uncertainty
from analysis.files.heater_log import HOT_C, pulses_of, read_heater_log
from analysis.tomography.single import problem_of
from drivers.errors import ConfigError
from drivers.frames import Frame, FrameHeader, HeatPulse, SeriesEnd, StreamItem
from drivers.recorded.tilt_series_file import ForeignSeries, read_tilt_series
from drivers.toml_file import Strict


class HeatEntry(Strict):
    """One heat pulse since the state before."""

    temperature_c: float = Field(gt=-273.15, lt=3000.0)
    """As measured."""
    duration_s: float = Field(gt=0.0)
    """Time at it."""
    std_s: float = Field(0.0, ge=0.0)
    """Of the duration; 0 where it is not known for itself (`uncertainty.pulse_s` then)."""


class StateEntry(Strict):
    """One tilt series."""

    tilt_series: Path
    """Stack or folder of single images, from the manifest's own folder (docs/old-data.md)."""
    angles: Path | None = None
    """Where neither the series nor a file beside it tells its tilts."""
    pixel_nm: float | None = Field(None, gt=0.0)
    """Where the series does not tell it."""
    swept_deg: float = Field(0.0, ge=0.0, lt=20.0)
    """Tilt during one exposure, of a continuous series."""
    heat: Annotated[
        Annotated[tuple[HeatEntry, ...], Tag("pulses")] | Annotated[Path, Tag("log")],
        Discriminator(lambda heat: "log" if isinstance(heat, str | Path) else "pulses"),
    ] = ()
    """Since the state before: pulses, or a heater's log of that time and of no more."""


class ParticleEntry(Strict):
    """One particle, from its unheated state on."""

    name: str = Field(min_length=1)
    """As results call it."""
    core: str = Field(min_length=1)
    """Metal of the core."""
    shell: str = Field(min_length=1)
    """Metal of the shell."""
    window: str = "centre"
    """Of the chip, in which it lies."""
    state: tuple[StateEntry, ...] = Field(min_length=1)
    """In the order of heating."""


class Manifest(Strict):
    """What `alloyscope analyse MANIFEST.toml` reads."""

    arrhenius: ActivationEnergy | None = None
    """Known from elsewhere; with it, one temperature already tells how much windows differ."""
    uncertainty: Uncertainty = Uncertainty()
    """How well temperature, magnification and time are known."""
    particle: tuple[ParticleEntry, ...] = Field(min_length=1)
    """All that are analysed together."""


def _series(folder: Path, state: StateEntry) -> ForeignSeries:
    """What a state's files hold, if it can be analysed; raises `ConfigError`."""
    path = folder / state.tilt_series
    series = read_tilt_series(path, None if state.angles is None else folder / state.angles)
    problem = problem_of(series.images, series.tilts_deg)
    if problem is None and state.pixel_nm is None and series.pixel_nm is None:
        problem = "does not tell its pixel size; add pixel_nm = ..."
    if problem is not None:
        raise ConfigError(str(path), [problem])
    return series if state.pixel_nm is None else replace(series, pixel_nm=state.pixel_nm)


def _heat(folder: Path, state: StateEntry) -> tuple[HeatPulse, ...]:
    """Since the state before; raises `ConfigError` for a log that does not tell all of it."""
    if not isinstance(state.heat, Path):
        return tuple(HeatPulse(h.temperature_c, h.duration_s, h.std_s) for h in state.heat)
    path = folder / state.heat
    log = read_heater_log(path)
    for when, found_c in (("begins", log.temperature_c[0]), ("ends", log.temperature_c[-1])):
        if found_c > HOT_C:
            words = f"{when} at {found_c:.0f} C: how long that pulse was it does not tell; list the pulses instead"
            raise ConfigError(str(path), [words])
    pulses = pulses_of(log)
    if not pulses:
        words = f"is never above {HOT_C:g} C (at most {log.temperature_c.max():.0f} C); leave `heat` out if that is so"
        raise ConfigError(str(path), [words])
    return tuple(p.heat for p in pulses)


def manifest_items(source: Path, manifest: Manifest) -> Iterator[StreamItem]:
    """What a stream would have carried of a manifest, whose paths start from its own; raises `ConfigError`."""
    problems: list[str] = []
    loaded = []
    names = [p.name for p in manifest.particle]
    problems += [
        f"particle {n!r} is named twice; give each its own name"
        for n in sorted({n for n in names if names.count(n) > 1})
    ]
    for particle in manifest.particle:
        logs = [state.heat for state in particle.state if isinstance(state.heat, Path)]
        problems += [
            f"{particle.name}: {log} is the heat of {logs.count(log)} states; give each the log of its own pulses, or "
            "list the pulses, or let `alloyscope watch` join one log to series by their times"
            for log in dict.fromkeys(logs)
            if logs.count(log) > 1
        ]
        for state in particle.state:
            try:
                loaded.append((_series(source.parent, state), _heat(source.parent, state)))
            except ConfigError as error:
                problems += [f"{particle.name}: {sentence}" for sentence in error.sentences]
    if problems:
        raise ConfigError(str(source), problems)
    seq, stacks = 0, iter(loaded)
    for particle in manifest.particle:
        heat: tuple[HeatPulse, ...] = ()
        for number, state in enumerate(particle.state):
            series, new = next(stacks)
            heat += new
            step = f"c{number:02d}/{particle.name}/tilt"
            for index, (image, tilt_deg) in enumerate(zip(series.images, series.tilts_deg, strict=True)):
                header = FrameHeader(
                    seq=seq,
                    session=source.stem,
                    step=step,
                    index=index,
                    particle=particle.name,
                    core=particle.core,
                    shell=particle.shell,
                    window=particle.window,
                    time_s=float(seq),
                    tilt_deg=float(tilt_deg),
                    swept_deg=state.swept_deg,
                    pixel_nm=series.pixel_nm or math.nan,
                    heat=heat,
                )
                yield Frame(header, image)
                seq += 1
            yield SeriesEnd(
                seq=seq, step=step, particle=particle.name, frames=len(series.images), planned=len(series.images)
            )
            seq += 1
