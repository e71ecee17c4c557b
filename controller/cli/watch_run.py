"""Watch a folder: in this process with lines, or in one of its own behind a screen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from controller.cli.final_report import leaving_report
from controller.cli.json_file import check_writable, write_json
from controller.cli.session_run import behind_screen, new_folder
from controller.cli.verbosity import asked
from controller.monitor.console import Console, final_lines
from controller.plan.session_file import load_session
from controller.watch.folder_session import FolderSession
from controller.watch.heating import LoggedHeating
from drivers.errors import ConfigError
from drivers.recorded.folder import SessionFolder


def start_watching(
    watched: Path,
    source: Path,
    heating: LoggedHeating,
    *,
    quiet_s: float,
    series_quiet_s: float,
    series: int,
    out: Path | None,
    json_path: Path | None,
    no_screen: bool,
) -> None:
    """Check what was asked, find a folder for the session, and watch; raises `ConfigError`."""
    file = load_session(source)
    if not watched.is_dir():
        raise ConfigError(str(watched), ["there is no such folder; name the one that the microscope's program fills"])
    if heating.path is not None and not heating.path.parent.is_dir():
        raise ConfigError(str(heating.path), ["lies in a folder that does not exist; check the path"])
    check_writable(json_path)
    folder = new_folder(file.title, out)
    if watched.resolve() == folder.resolve() or watched.resolve() in folder.resolve().parents:
        raise ConfigError("--out", [f"{folder} lies in the folder that is watched; name one elsewhere"])
    at = SessionFolder(folder)
    if not no_screen and sys.stdout.isatty():
        behind_screen([*_without_out(sys.argv[1:]), "--no-screen", "--out", str(folder)], at)
        return
    session = FolderSession(
        file, source, watched, at, heating, quiet_s, series_quiet_s, series, [Console(asked()).hear]
    )

    def announce(endpoints: dict[str, str]) -> None:
        at.endpoints.write_text(json.dumps(endpoints | {"pid": os.getpid()}))

    def abort(number: signal.Signals) -> None:
        hear_end(number)
        session.abort(f"told to end by {number.name}")

    async def main() -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, abort, number)
        await session.run()

    session.ready = announce
    with leaving_report(at, wanted=file.report) as hear_end:
        try:
            asyncio.run(main())
        finally:
            at.endpoints.unlink(missing_ok=True)
            for line in final_lines(session.results, at):
                print(line, flush=True)
        write_json(json_path, session.json())


def _without_out(arguments: list[str]) -> list[str]:
    """The folder is told anew: a default one has its time in its name."""
    if "--out" not in arguments:
        return arguments
    at = arguments.index("--out")
    return [*arguments[:at], *arguments[at + 2 :]]
