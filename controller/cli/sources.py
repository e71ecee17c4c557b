"""Which session is meant: one that runs, one at a broker, or a folder of one that is over."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from controller.monitor.source import RemoteSession, Source
from controller.stream.running_session import find_endpoints
from drivers.errors import ConfigError
from drivers.recorded.folder import SessionFolder


def source_of(
    endpoint: str, key: Path | None = None, password_file: Path | None = None, ca: Path | None = None
) -> Source:
    """What the screen is to draw.

    Parameters
    ----------
    endpoint : session folder, address of its request socket, or ``mqtt://`` address
    key : for addresses on the network
    password_file, ca : of the broker

    Raises
    ------
    ConfigError
        When there is nothing to be watched.
    """
    if endpoint.startswith(("mqtt://", "mqtts://")):
        from controller.cli.options import PASSWORD_VARIABLE
        from controller.telemetry.watching import SessionAtBroker, reach, read_address

        address = read_address(endpoint, password_file, os.environ.get(PASSWORD_VARIABLE), ca)
        asyncio.run(reach(address))
        return SessionAtBroker(address)
    try:
        return RemoteSession(find_endpoints(endpoint, key))
    except ConfigError:
        from analysis.report.listing import lives
        from analysis.report.story import SessionStory
        from controller.record.finished_session import FinishedSession

        at = SessionFolder(Path(endpoint))
        if not at.journal.is_file() or lives(at):
            raise
        return FinishedSession(SessionStory.read(Path(endpoint)))


def check_terminal() -> None:
    """Raises `ConfigError` where a screen cannot be drawn; a page of `serve` has a driver of its own in its place."""
    if not (sys.stdout.isatty() or "TEXTUAL_DRIVER" in os.environ):
        words = "draws on a terminal, and there is none; alloyscope status FOLDER tells of a session in words"
        raise ConfigError("monitor", [words])
