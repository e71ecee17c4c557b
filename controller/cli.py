"""The command line. Heavy packages are imported inside the commands that need them."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drivers.errors import AlloyscopeError, ConfigError

if TYPE_CHECKING:
    from drivers.clock import Clock

app = typer.Typer(
    help="In-situ heating and tomography sessions with live alloying, diffusion and temperature results.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class KBasis(StrEnum):
    ATOMIC = "atomic"
    WEIGHT = "weight"


class ReconstructionMethod(StrEnum):
    MLEM = "mlem"
    SIRT = "sirt"


SessionPath = Annotated[Path, typer.Argument(metavar="SESSION.toml", help="session file")]
JsonPath = Annotated[Path | None, typer.Option("--json", help="write the results here as JSON")]
OutPath = Annotated[Path | None, typer.Option("--out", help="session folder; by default a new one below sessions/")]
Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="session folder, or the address of its desk")]
NoScreen = Annotated[bool, typer.Option("--no-screen", help="print lines instead of drawing the screen")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="use this seed instead of the file's")]


@app.command()
def check(session: SessionPath) -> None:
    """Check a session file: timeline, dose and duration, or every error at once."""
    from controller.check import checked_session, timeline

    for line in timeline(checked_session(session)):
        print(line)


@app.command()
def plan(
    session: SessionPath,
    improve: Annotated[bool, typer.Option("--improve", help="also propose pulses that would tell more")] = False,
    seed: Seed = None,
    json_path: JsonPath = None,
) -> None:
    """Rehearse a session on the twin: what errors of D and of window temperatures to expect, for what dose and time."""
    from controller.check import checked_session
    from controller.console import Console
    from controller.rehearsal import expectations, rehearse

    file = checked_session(session)
    if seed is not None:
        file = file.model_copy(update={"seed": seed})
    _check_writable(json_path)
    lines, data = expectations(file, rehearse(file, session, Console().hear), improve=improve)
    print("\nTo be expected, simulated:")
    for line in lines:
        print(line)
    _write_json(json_path, data)


@app.command("dry-run")
def dry_run(
    session: SessionPath,
    json_path: JsonPath = None,
    out: OutPath = None,
    seed: Seed = None,
    no_screen: NoScreen = False,
) -> None:
    """Run a session on the stepped clock: hours pass in seconds, everything else is real."""
    from drivers.clock import SteppedClock

    _session(session, json_path, out, seed, no_screen, SteppedClock, ["dry-run"])


@app.command()
def run(
    session: SessionPath,
    json_path: JsonPath = None,
    out: OutPath = None,
    seed: Seed = None,
    no_screen: NoScreen = False,
    speed: Annotated[float, typer.Option(help="run the clock faster; for simulated devices", min=0.01)] = 1.0,
) -> None:
    """Run a session in real time, the chip guarded by a process of its own."""
    from drivers.clock import ScaledClock

    _session(session, json_path, out, seed, no_screen, lambda: ScaledClock(speed), ["run", "--speed", str(speed)])


@app.command()
def analyse(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST.toml|FOLDER", help="manifest or session folder")],
    json_path: JsonPath = None,
    spread: Annotated[str, typer.Option(help="behind the degree: std, variance, mad, iqr or histogram")] = "std",
    d_of_c: Annotated[bool, typer.Option("--d-of-c", help="also fit how D changes with composition")] = False,
) -> None:
    """Analyse old data: tilt-series files named in a manifest, or a recorded session."""
    from analysis.offline import analyse as analyse_source
    from controller.console import result_lines

    _check_writable(json_path)

    def report(result: Any) -> None:
        for line in result_lines(result):
            print(line, flush=True)

    _write_json(json_path, analyse_source(source, report, spread=spread, d_of_c=d_of_c))


@app.command()
def reconstruct(
    stack: Annotated[Path, typer.Argument(help="tilt series (tilt, y, x), MRC or TIFF; tilt axis along x")],
    angles: Annotated[Path, typer.Option(help="tilts in degrees, one per line")],
    out: Annotated[Path, typer.Option(help="volume to write, MRC (z, y, x)")],
    method: Annotated[ReconstructionMethod, typer.Option()] = ReconstructionMethod.MLEM,
    iterations: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    align: Annotated[bool, typer.Option(help="align the projections first")] = True,
) -> None:
    """Reconstruct a single tilt series."""
    if not out.resolve().parent.is_dir():
        raise ConfigError("--out", [f"the folder {out.parent} does not exist; create it first"])
    from analysis.tilt_series_file import read_tilt_series, write_volume
    from analysis.tomography.single import reconstruct_series

    images, tilts_deg = read_tilt_series(stack, angles)
    volume = reconstruct_series(images, tilts_deg, method=method.value, iterations=iterations, aligned=not align)
    write_volume(out, volume)
    size = " x ".join(str(n) for n in volume.shape)
    print(f"{out}: {size} voxels (z, y, x), {method.value} {iterations}")


@app.command()
def validate(
    particles: Annotated[str, typer.Option(help="names, separated by commas")] = "NC1,NC2,NR1,NR2,NR3,NR4",
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="sessions per particle")] = 10,
    first_seed: Annotated[int, typer.Option(min=0, help="seeds count up from here")] = 1,
    variant: Annotated[str, typer.Option(help="how the sessions are recorded, such as 'half dose'")] = "standard",
    json_path: JsonPath = None,
) -> None:
    """Score the analysis on simulated sessions whose true D is known."""
    from controller.validate import Trial, as_json, table
    from controller.validate import validate as run_validation

    _check_writable(json_path)

    def report(trial: Trial) -> None:
        errors = ", ".join(
            f"{name} {100 * (d / trial.truth_m2_per_s - 1):+.2f} %"
            + (f" +- {100 * std / trial.truth_m2_per_s:.2f} %" if (std := trial.std_m2_per_s[name]) else " (a bound)")
            for name, d in trial.fitted_m2_per_s.items()
        )
        print(f"{trial.particle} seed {trial.seed}: {errors or 'no D'}; {trial.quality}", file=sys.stderr, flush=True)

    names = [name.strip() for name in particles.split(",") if name.strip()]
    trials, scores = run_validation(names, seeds, variant, report, first_seed=first_seed)
    print("Simulated sessions; truth known.\n")
    print("\n".join(table(scores, trials)))
    _write_json(json_path, as_json(trials, scores))


@app.command()
def monitor(endpoint: Endpoint) -> None:
    """Watch a session running elsewhere; closing the screen never stops it."""
    from controller.attach import find_endpoints
    from controller.monitor.app import MonitorApp

    MonitorApp(find_endpoints(endpoint)).run()


def _command(name: str, words: str) -> Callable[[str], None]:
    def send(endpoint: Endpoint) -> None:
        from controller.attach import find_endpoints, send_command

        print(send_command(find_endpoints(endpoint), name))

    send.__doc__ = words
    return send


for _name, _words in (
    ("pause", "Pause a running session at the next safe point."),
    ("resume", "Resume a paused session."),
    ("abort", "Abort a session: quench, blank, keep everything recorded."),
    ("stop", "Emergency stop: the chip off and the beam blanked, at once."),
):
    app.command(_name)(_command(_name, _words))


@app.command()
def edx(
    map_path: Annotated[Path, typer.Argument(metavar="MAP", help="spectrum image: .hspy, Velox .emd or Bruker .bcf")],
    lines: Annotated[str, typer.Option("--lines", help="main lines, one per element, such as Ag_La,Au_Ma")],
    k: Annotated[
        list[str] | None,
        typer.Option("--k", help="factor of a line or pair with its sigma: Fe_Ka=1.45, Ag_La/Au_Ma=1.44:0.01"),
    ] = None,
    k_basis: Annotated[KBasis, typer.Option("--k-basis", help="what the factors count")] = KBasis.ATOMIC,
    region: Annotated[str | None, typer.Option("--region", help="rows and columns to quantify: 10:20,5:40")] = None,
    radial: Annotated[bool, typer.Option("--radial", help="composition against the distance from the centre")] = False,
    decompose: Annotated[bool, typer.Option("--decompose", help="split the map into components")] = False,
    components: Annotated[
        int | None, typer.Option("--components", min=1, help="so many; by default by the scree")
    ] = None,
    beam_kev: Annotated[float | None, typer.Option("--beam-kev", min=1.0, help="instead of the file's")] = None,
    json_path: JsonPath = None,
) -> None:
    """Composition of an EDX map, with errors: over its particles, by radius, and of its components."""
    from analysis.edx import map_report
    from analysis.edx.map_analysis import analyse_map
    from analysis.edx.spectrum_file import read_spectrum_image

    _check_writable(json_path)
    result = analyse_map(
        read_spectrum_image(map_path, beam_kev=beam_kev),
        [line.strip() for line in lines.split(",") if line.strip()],
        k or [],
        basis=k_basis.value,
        region=_region(region),
        radial=radial,
        decompose=decompose or components is not None,
        number=components,
    )
    for line in map_report.lines(result):
        print(line)
    _write_json(json_path, map_report.as_json(result))


def main() -> None:
    """Entry point: errors of the user become one message and exit code 2, failures of a session exit code 1."""
    try:
        app()
    except ConfigError as error:
        print(f"alloyscope: {error}", file=sys.stderr)
        sys.exit(2)
    except AlloyscopeError as error:
        print(f"alloyscope: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("alloyscope: interrupted; devices were made safe, recorded data are kept", file=sys.stderr)
        sys.exit(130)


def _session(
    path: Path,
    json_path: Path | None,
    out: Path | None,
    seed: int | None,
    no_screen: bool,
    clock: Callable[[], Clock],
    again: list[str],
) -> None:
    from controller.check import checked_session

    file = checked_session(path)
    if seed is not None:
        file = file.model_copy(update={"seed": seed})
    _check_writable(json_path)
    folder = out if out is not None else Path("sessions") / f"{_slug(file.title)}-{time.strftime('%Y%m%d-%H%M%S')}"
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise ConfigError("--out", [f"{folder} already exists; name a new folder, data are never overwritten"])
    if not no_screen and sys.stdout.isatty():
        from controller.attach import run_behind_screen

        options = [
            *(["--seed", str(seed)] if seed is not None else []),
            *(["--json", str(json_path)] if json_path else []),
        ]
        run_behind_screen([*again, str(path), "--no-screen", "--out", str(folder), *options], folder)
        return
    from controller.run import run_session

    _write_json(json_path, run_session(file, path, folder, clock()))


def _region(words: str | None) -> tuple[int, int, int, int] | None:
    """Rows and columns, ``10:20,5:40``."""
    if words is None:
        return None
    found = re.fullmatch(r"(\d+):(\d+),(\d+):(\d+)", words.replace(" ", ""))
    if found is None:
        raise ConfigError("--region", [f"{words!r} should be rows and columns, such as 10:20,5:40"])
    top, bottom, left, right = (int(n) for n in found.groups())
    return top, bottom, left, right


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "session"


def _check_writable(json_path: Path | None) -> None:
    if json_path is not None and not json_path.resolve().parent.is_dir():
        raise ConfigError("--json", [f"the folder {json_path.parent} does not exist; create it first"])
    if json_path is not None and json_path.is_dir():
        raise ConfigError("--json", [f"{json_path} is a folder; name a file"])


def _write_json(json_path: Path | None, data: dict[str, Any]) -> None:
    if json_path is not None:
        json_path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
