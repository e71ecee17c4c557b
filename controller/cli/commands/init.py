"""``alloyscope init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_SHAPES = "cube, sphere, octahedron, rod, pentagonal-rod, bipyramid"
_LONG = ("rod", "pentagonal-rod", "bipyramid")
"""What has a length; the first, where a length is told and no shape."""
_TIMES_AS_LONG = 2.5
"""As wide, usually."""


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="session file to write")] = Path("session.toml"),
    title: Annotated[str | None, typer.Option(help="of the session")] = None,
    particle: Annotated[str | None, typer.Option(help="its name; part of files' names")] = None,
    core: Annotated[str | None, typer.Option(help="metal of the core, such as Au")] = None,
    shell: Annotated[str | None, typer.Option(help="metal of the shell, such as Ag")] = None,
    shape: Annotated[str | None, typer.Option(help=f"for the twin: {_SHAPES}")] = None,
    width_nm: Annotated[float | None, typer.Option(help="of the particle")] = None,
    length_nm: Annotated[float | None, typer.Option(help="of a long one")] = None,
    temperature_c: Annotated[float | None, typer.Option(help="of the pulses, in C")] = None,
    pulses_s: Annotated[str | None, typer.Option(help="how long each lasts, such as 15,15,30,60")] = None,
    pixel_nm: Annotated[float | None, typer.Option(help="of the images")] = None,
    tilt_deg: Annotated[float | None, typer.Option(help="highest tilt, to both sides")] = None,
    chip: Annotated[str, typer.Option(help="backend, as `devices` lists them")] = "simulated",
    microscope: Annotated[str, typer.Option(help="backend, as `devices` lists them")] = "simulated",
    force: Annotated[bool, typer.Option("--force", help="replace a file that is there")] = False,
) -> None:
    """Write a session file with comments; asks for what no option gives, and Enter takes what is usual."""
    from controller.plan.first_file import FirstFile, write_first_file

    usual = FirstFile()
    asked = sys.stdin.isatty()

    def answer(given: object, question: str, default: object) -> str:
        if given is not None:
            return str(given)
        return str(typer.prompt(question, default=default)) if asked else str(default)

    title = answer(title, "title of the session; left empty, its metals and temperature", usual.title)
    particle = answer(particle, "name of the particle", usual.particle)
    core, shell = answer(core, "metal of its core", usual.core), answer(shell, "metal of its shell", usual.shell)
    shape = answer(shape, f"its shape: {_SHAPES}", usual.shape if length_nm is None else _LONG[0])
    wide = answer(width_nm, "its width, nm", usual.width_nm)
    long = answer(length_nm, "its length, nm", _usual_length(wide)) if shape in _LONG else str(length_nm or "")
    first = FirstFile(
        title=title,
        particle=particle,
        core=core,
        shell=shell,
        shape=shape,
        width_nm=wide,
        length_nm=long,
        temperature_c=answer(temperature_c, "temperature of the pulses, C", usual.temperature_c),
        pulses_s=answer(pulses_s, "how long each pulse lasts, s", usual.pulses_s),
        pixel_nm=answer(pixel_nm, "pixel size, nm; left empty, one that suits it", usual.pixel_nm),
        tilt_deg=answer(tilt_deg, "highest tilt to both sides, deg", usual.tilt_deg),
        chip=chip,
        microscope=microscope,
    )
    write_first_file(path, first, force=force)
    print(f"{path} written; next: alloyscope check {path}, then alloyscope dry-run {path}")
    if microscope == usual.microscope and (first.core, first.shell) != (usual.core, usual.shell):
        print(
            f"the twin mixes {first.core} and {first.shell} with the D of {usual.core} and {usual.shell}, and 30 % of "
            "its\natoms are core: write what you expect as d_450_m2_per_s, q_j_per_mol and core_percent into the file"
        )


def _usual_length(width_nm: str) -> str:
    """Of a long shape; of a width that is no number that word itself, and both are told as wrong."""
    try:
        return f"{_TIMES_AS_LONG * float(width_nm):g}"
    except ValueError:
        return width_nm
