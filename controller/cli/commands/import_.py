"""``alloyscope import``."""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drivers.errors import ConfigError

if TYPE_CHECKING:
    from analysis.reanalysis.manifest import Manifest

_ASKED = "give a session file, or --particle, --core and --shell"


def import_(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="one manifest (.toml), or tilt series in order, files or folders"),
    ],
    out: Annotated[Path, typer.Option("--out", help="session folder to make")],
    session: Annotated[Path | None, typer.Option("--session", help="session file that was followed")] = None,
    angles: Annotated[
        list[Path] | None, typer.Option("--angles", help="of each series, where its own files do not tell them")
    ] = None,
    particle: Annotated[str, typer.Option("--particle", help="its name")] = "",
    core: Annotated[str, typer.Option("--core", help="element, such as Au")] = "",
    shell: Annotated[str, typer.Option("--shell", help="element, such as Ag")] = "",
    pixel_nm: Annotated[
        float | None, typer.Option("--pixel-nm", min=1e-6, help="instead of the series' own, or the session file's")
    ] = None,
    heat: Annotated[
        list[str] | None, typer.Option("--heat", help="before the second series, the third, ...: 450:15 (C, s)")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="by default the session file's, or the folder's name")] = "",
    simulated: Annotated[bool, typer.Option("--simulated", help="the series are of a simulation")] = False,
) -> None:
    """Foreign tilt series as a session folder, marked as imported, for everything that opens recorded ones."""
    from analysis.reanalysis.manifest import Manifest
    from controller.plan.session_file import load_session
    from controller.record.imported_session import import_session, planned_manifest
    from drivers.toml_file import load_toml

    if [s.suffix.lower() for s in sources] == [".toml"]:
        given: dict[str, object] = {
            "--session": session,
            "--particle": particle,
            "--core": core,
            "--shell": shell,
            "--heat": heat,
        }
        given |= {"--angles": angles, "--pixel-nm": pixel_nm}
        if any(given.values()):
            names = ", ".join(name for name, value in given.items() if value)
            raise ConfigError(names, [f"{sources[0].name} is a manifest, which says all this itself; leave it out"])
        source, manifest = sources[0], load_toml(sources[0], Manifest)
    elif session is not None:
        if particle or core or shell or heat:
            raise ConfigError("--session", ["says particles, metals and heat; leave out the options that do"])
        file = load_session(session)
        title = title or file.title
        source, manifest = Path(), planned_manifest(file, _with_angles(sources, angles), pixel_nm)
    else:
        source, manifest = Path(), _by_options(_with_angles(sources, angles), particle, core, shell, pixel_nm, heat)
    frames = import_session(
        source, manifest, out, title=title or out.resolve().name, session_file=session, simulated=simulated
    )
    series = sum(len(p.state) for p in manifest.particle)
    print(f"{out}: {frames} frames of {series} tilt series, imported; alloyscope analyse {out}")


def _by_options(
    series: list[tuple[Path, Path | None]],
    particle: str,
    core: str,
    shell: str,
    pixel_nm: float | None,
    heat: list[str] | None,
) -> Manifest:
    """Of one particle."""
    from analysis.reanalysis.manifest import Manifest, ParticleEntry
    from controller.record.imported_session import state

    if not (particle and core and shell):
        raise ConfigError("alloyscope import", [f"nothing says what was recorded; {_ASKED}"])
    pulses = [_pulse(words) for words in heat or []]
    if len(pulses) != len(series) - 1:
        words = f"given {len(pulses)} time(s) for {len(series)} series; give one before each but the first"
        raise ConfigError("--heat", [words])
    states = [
        state(stack, tilts, pixel_nm, [] if pulse is None else [pulse])
        for (stack, tilts), pulse in zip_longest(series, [None, *pulses])
    ]
    return Manifest(particle=(ParticleEntry(name=particle, core=core, shell=shell, state=tuple(states)),))


def _pulse(words: str) -> dict[str, float]:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*:\s*(\d+(?:\.\d+)?)\s*", words)
    if found is None or not float(found[2]) > 0.0:
        raise ConfigError("--heat", [f"{words!r} should be temperature in C and seconds above 0, such as 450:15"])
    return {"temperature_c": float(found[1]), "duration_s": float(found[2])}


def _with_angles(sources: list[Path], angles: list[Path] | None) -> list[tuple[Path, Path | None]]:
    """Each series with its list of tilts, None where its own files tell; paths start from the command's folder."""
    if angles and len(angles) != len(sources):
        raise ConfigError("--angles", [f"given {len(angles)} time(s) for {len(sources)} series; give one for each"])
    told: list[Path | None] = [path.resolve() for path in angles] if angles else [None] * len(sources)
    return [(source.resolve(), tilts) for source, tilts in zip(sources, told, strict=True)]
