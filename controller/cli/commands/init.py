"""``alloyscope init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_LONG = "rod"
"""Whatever has a length, where its shape is not told."""


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="session file to write")] = Path("session.toml"),
    title: Annotated[str | None, typer.Option(help="of the session")] = None,
    particle: Annotated[str | None, typer.Option(help="its name; part of files' names")] = None,
    core: Annotated[str | None, typer.Option(help="metal of the core, such as Au")] = None,
    shell: Annotated[str | None, typer.Option(help="metal of the shell, such as Ag")] = None,
    shape: Annotated[str | None, typer.Option(help="for the twin: cube, sphere, octahedron, rod ...")] = None,
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
    """Write a session file with comments, by a few questions or options; what is not asked has a usual value."""
    from controller.plan.first_file import FirstFile, write_first_file

    usual = FirstFile()
    asked = sys.stdin.isatty()
    long = length_nm is not None

    def answer(given: object, question: str, default: object) -> str:
        if given is not None:
            return str(given)
        return str(typer.prompt(question, default=default)) if asked else str(default)

    first = FirstFile(
        title=answer(title, "title of the session; none for its metals and temperature", usual.title),
        particle=answer(particle, "name of the particle", usual.particle),
        core=answer(core, "metal of its core", usual.core),
        shell=answer(shell, "metal of its shell", usual.shell),
        shape=answer(
            shape, "its shape: cube, sphere, octahedron, rod, pentagonal-rod, bipyramid", _LONG if long else usual.shape
        ),
        width_nm=answer(width_nm, "its width, nm", usual.width_nm),
        length_nm=answer(length_nm, "its length, nm; none where it is as long as wide", usual.length_nm),
        temperature_c=answer(temperature_c, "temperature of the pulses, C", usual.temperature_c),
        pulses_s=answer(pulses_s, "how long each pulse lasts, s", usual.pulses_s),
        pixel_nm=answer(pixel_nm, "pixel size, nm; none for one that suits it", usual.pixel_nm),
        tilt_deg=answer(tilt_deg, "highest tilt to both sides, deg", usual.tilt_deg),
        chip=chip,
        microscope=microscope,
    )
    write_first_file(path, first, force=force)
    print(f"{path} written; next: alloyscope check {path}, then alloyscope dry-run {path}")
