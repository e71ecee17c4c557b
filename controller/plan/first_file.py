"""A session file to begin with, commented, made from a few answers."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from controller.plan.check import checked_session
from controller.plan.schema import SCHEMA_FILE, SCHEMA_ID, as_text, schema_of
from controller.plan.session_file import SessionFile, load_session
from drivers.errors import ConfigError

_TWIN = "simulated"
_TEMPLATE = """\
#:schema {schema}
# Every key has its meaning in docs/session_file.md, and in editors that know schemas.
# `alloyscope check` holds this file against limits, holder and instruments.
title = {title}
seed = 1                     # of everything random

[chip]
backend = {chip}             # `alloyscope devices` lists what there is
ramp_c_per_s = 1000.0

[chip.limits]                # never exceeded, whatever the plan says
max_c = {max_c}

[microscope]
backend = {microscope}
{options}
[scan]
pixel_nm = {pixel_nm}
shape = [128, 128]           # the particle should fill about half of it across the tilt axis
dwell_us = 3.0
current_pa = 50.0            # for the dose that `check` tells

[tracking]                   # what is corrected before each tilt series, at the dose of about one frame
centre = true
eucentric = false

[tilt]
from_deg = {from_deg}
to_deg = {to_deg}
step_deg = 2.0

[[particles]]
name = {particle}
core = {core}
shell = {shell}

[[plan]]                     # before any heat: what everything is compared with
kind = "tilt-series"

[[plan]]                     # each pulse is quenched, and a tilt series follows it
kind = "pulses"
temperature_c = {temperature_c}
durations_s = [{pulses_s}]
"""
_TWIN_OPTIONS = """
[[microscope.options.particles]]
name = {particle}

[microscope.options.particles.made]   # what the twin shows, and how it truly alloys; real instruments have none of it
shape = {shape}
width_nm = {width_nm}
{length}core = {core}
shell = {shell}
core_percent = 30.0          # of the atoms
d_450_m2_per_s = 2.4e-19     # true D at 450 C: that of silver and gold, write your guess
q_j_per_mol = 208e3
"""
_REAL_OPTIONS = """
[microscope.options]         # as its driver takes them: see docs/instruments.md
"""
_PLACE = "microscope.options: particles[1].made: "
"""Where the file would have what was answered."""
_WARMER_C = 150.0
_PIXELS, _OF_THE_FIELD_WIDE, _OF_THE_FIELD_LONG = 128, 0.5, 0.8
"""Of the field, taken up by a particle: room is needed where it turns and drifts, less along the tilt axis."""


@dataclass(frozen=True)
class FirstFile:
    """Answers, as they were typed."""

    title: str = ""
    """By default its metals and temperature."""
    particle: str = "A"
    core: str = "Au"
    shell: str = "Ag"
    temperature_c: str = "450"
    pulses_s: str = "15,15,30,60,120"
    shape: str = "cube"
    width_nm: str = "50"
    length_nm: str = ""
    """Of a long shape; of no other."""
    pixel_nm: str = ""
    """Such that the particle fills the field well, where it is not told."""
    tilt_deg: str = "70"
    chip: str = _TWIN
    microscope: str = _TWIN


def write_first_file(path: Path, first: FirstFile, *, force: bool = False) -> None:
    """Write it, if a session can be made of it, and its schema beside it.

    Raises
    ------
    ConfigError
        With every answer that is no good, or where a file is there already.
    """
    if path.exists() and not force:
        raise ConfigError(str(path), ["is there already; give another name, or --force to replace it"])
    if not path.resolve().parent.is_dir():
        raise ConfigError(str(path), [f"the folder {path.parent} does not exist; create it first"])
    problems: list[str] = []
    temperature_c = _number(first.temperature_c, "temperature", problems)
    tilt_deg = abs(_number(first.tilt_deg, "highest tilt", problems))
    pulses_s = [_number(p, "pulse", problems) for p in first.pulses_s.replace(",", " ").split()]
    width_nm = _number(first.width_nm, "width", problems)
    length_nm = _number(first.length_nm, "length", problems) if first.length_nm else 0.0
    filling = max(width_nm / _OF_THE_FIELD_WIDE, length_nm / _OF_THE_FIELD_LONG) / _PIXELS
    pixel_nm = _number(first.pixel_nm, "pixel size", problems) if first.pixel_nm else float(f"{filling:.3g}")
    if problems:
        raise ConfigError("init", problems)
    twin = _TWIN_OPTIONS.format(
        particle=_text(first.particle),
        shape=_text(first.shape),
        width_nm=width_nm,
        length=f"length_nm = {length_nm}\n" if length_nm else "",
        core=_text(first.core),
        shell=_text(first.shell),
    )
    text = _TEMPLATE.format(
        schema=SCHEMA_FILE,
        title=_text(first.title or f"{first.core}@{first.shell}, {temperature_c:g} C"),
        chip=_text(first.chip),
        microscope=_text(first.microscope),
        options=twin if first.microscope == _TWIN else _REAL_OPTIONS,
        max_c=temperature_c + _WARMER_C,
        pixel_nm=pixel_nm,
        from_deg=-tilt_deg,
        to_deg=tilt_deg,
        particle=_text(first.particle),
        core=_text(first.core),
        shell=_text(first.shell),
        temperature_c=temperature_c,
        pulses_s=", ".join(f"{p:g}" for p in pulses_s),
    )
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as tried:
        tried.write(text)
        tried.flush()
        simulated = first.microscope == first.chip == _TWIN
        try:
            # An instrument has options that nobody has told yet.
            checked_session(Path(tried.name)) if simulated else load_session(Path(tried.name))
        except ConfigError as error:
            raise ConfigError("init", [p.removeprefix(_PLACE) for p in error.problems]) from None
    path.write_text(text)
    schema = path.with_name(SCHEMA_FILE)
    if not schema.exists() or SCHEMA_ID in schema.read_text(errors="replace"):
        schema.write_text(as_text(schema_of(SessionFile)))


def _number(answer: str, what: str, problems: list[str]) -> float:
    try:
        return float(answer)
    except ValueError:
        problems.append(f"{what}: {answer!r} is no number; write it without its unit")
        return 0.0


def _text(answer: str) -> str:
    """As a string of TOML, of which JSON's are a kind."""
    return json.dumps(answer, ensure_ascii=False)
