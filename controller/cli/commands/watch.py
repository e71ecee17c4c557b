"""``alloyscope watch``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import JsonPath, NoScreen, OutPath


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="into which the microscope's program writes")],
    session: Annotated[Path, typer.Option("--session", help="session file: title, particles, pixel size, tilts")],
    log: Annotated[Path | None, typer.Option("--log", help="the heater's log (CSV), also while it grows")] = None,
    log_ahead_s: Annotated[float, typer.Option(help="the heater's clock minus the microscope's, in s")] = 0.0,
    log_began: Annotated[datetime | None, typer.Option(help="when the log's times were 0, if it does not tell")] = None,
    quiet_s: Annotated[float, typer.Option(help="a file is whole when it has not changed for so long", min=0.5)] = 5.0,
    series_quiet_s: Annotated[
        float, typer.Option(help="the same of a series with fewer images than the session file plans", min=1.0)
    ] = 120.0,
    series: Annotated[int, typer.Option(help="end by itself after so many tilt series and maps", min=0)] = 0,
    out: OutPath = None,
    json_path: JsonPath = None,
    no_screen: NoScreen = False,
) -> None:
    """Watch a folder: analyse each tilt series and EDX map as soon as it is whole, heated as the heater's log says."""
    from controller.cli.watch_run import start_watching
    from controller.watch.heating import LoggedHeating

    start_watching(
        folder,
        session,
        LoggedHeating(log, log_began, log_ahead_s, lambda _: None),
        quiet_s=quiet_s,
        series_quiet_s=series_quiet_s,
        series=series,
        out=out,
        json_path=json_path,
        no_screen=no_screen,
    )
