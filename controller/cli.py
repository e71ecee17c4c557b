"""The command line of sessions. Heavy packages are imported inside the commands that need them."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli_data import commands
from controller.json_file import JsonPath, check_writable, write_json
from drivers.errors import AlloyscopeError, ConfigError

if TYPE_CHECKING:
    from drivers.clock import Clock

app = typer.Typer(
    help="In-situ heating and tomography sessions with live alloying, diffusion and temperature results.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(commands)

SessionPath = Annotated[Path, typer.Argument(metavar="SESSION.toml", help="session file")]
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
    check_writable(json_path)
    lines, data = expectations(file, rehearse(file, session, Console().hear), improve=improve)
    print("\nTo be expected, simulated:")
    for line in lines:
        print(line)
    write_json(json_path, data)


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
    check_writable(json_path)
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

    write_json(json_path, run_session(file, path, folder, clock()))


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "session"


if __name__ == "__main__":
    main()
