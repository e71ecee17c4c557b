"""``alloyscope monitor``."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import Endpoint, KeyPath
from drivers.errors import ConfigError
from drivers.recorded.folder import SessionFolder

_PASSWORD = "ALLOYSCOPE_MQTT_PASSWORD"


def monitor(
    endpoint: Endpoint,
    key: KeyPath = None,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help=f"of an mqtt:// address's user; or set {_PASSWORD}")
    ] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="certificate of the CA, for mqtts:// addresses")] = None,
) -> None:
    """Watch a session running elsewhere; closing the screen never stops it. Of one that is over, see what it found."""
    from controller.monitor.app import MonitorApp
    from controller.stream.running_session import find_endpoints

    if endpoint.startswith(("mqtt://", "mqtts://")):
        from controller.telemetry.watching import SessionAtBroker, reach, read_address

        address = read_address(endpoint, password_file, os.environ.get(_PASSWORD), ca)
        asyncio.run(reach(address))
        MonitorApp(SessionAtBroker(address)).run()
        return
    try:
        running = find_endpoints(endpoint, key)
    except ConfigError:
        from analysis.report.listing import lives
        from analysis.report.story import SessionStory

        at = SessionFolder(Path(endpoint))
        if not at.journal.is_file() or lives(at):
            raise
        from controller.record.finished_session import FinishedSession

        MonitorApp(FinishedSession(SessionStory.read(Path(endpoint)))).run()
        return
    MonitorApp(running).run()
