"""``alloyscope monitor``."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import Endpoint, KeyPath

_PASSWORD = "ALLOYSCOPE_MQTT_PASSWORD"


def monitor(
    endpoint: Endpoint,
    key: KeyPath = None,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help=f"of an mqtt:// address's user; or set {_PASSWORD}")
    ] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="certificate of the CA, for mqtts:// addresses")] = None,
) -> None:
    """Watch a session running elsewhere; closing the screen never stops it."""
    from controller.monitor.app import MonitorApp
    from controller.stream.running_session import find_endpoints

    if endpoint.startswith(("mqtt://", "mqtts://")):
        from controller.telemetry.watching import SessionAtBroker, reach, read_address

        address = read_address(endpoint, password_file, os.environ.get(_PASSWORD), ca)
        asyncio.run(reach(address))
        MonitorApp(SessionAtBroker(address)).run()
        return
    MonitorApp(find_endpoints(endpoint, key)).run()
