"""A session file to begin with, commented, made from a few answers."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

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
shape = [128, 128]           # the particle should fill about half of it
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
[microscope.options]         # of the twin: a gold sphere in a silver cube, whatever the metals below are called
particles = [{ specimen = "NC2" }]
"""
_REAL_OPTIONS = """
[microscope.options]         # as its driver takes them: see docs/instruments.md
"""
_WARMER_C = 150.0


@dataclass(frozen=True)
class FirstFile:
    """Answers, as they were typed."""

    title: str = "Au@Ag, 450 C"
    particle: str = "A"
    core: str = "Au"
    shell: str = "Ag"
    temperature_c: str = "450"
    pulses_s: str = "15,15,30,60,120"
    pixel_nm: str = "0.8"
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
    pixel_nm = _number(first.pixel_nm, "pixel size", problems)
    if problems:
        raise ConfigError("init", problems)
    text = _TEMPLATE.format(
        schema=SCHEMA_FILE,
        title=_text(first.title),
        chip=_text(first.chip),
        microscope=_text(first.microscope),
        options=_TWIN_OPTIONS if first.microscope == _TWIN else _REAL_OPTIONS,
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
        try:
            load_session(Path(tried.name))
        except ConfigError as error:
            raise ConfigError("init", error.problems) from None
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
