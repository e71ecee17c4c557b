"""``alloyscope monitor``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import PASSWORD_VARIABLE, Endpoint, KeyPath


def monitor(
    endpoint: Endpoint,
    key: KeyPath = None,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help=f"of an mqtt:// address's user; or set {PASSWORD_VARIABLE}")
    ] = None,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="in ASCII; ALLOYSCOPE_ASCII=1 has it everywhere")] = False,
    ca: Annotated[Path | None, typer.Option("--ca", help="certificate of the CA, for mqtts:// addresses")] = None,
) -> None:
    """Watch a session running elsewhere; closing the screen never stops it. Of one that is over, see what it found."""
    from controller.cli.sources import check_terminal, source_of
    from controller.monitor.app import MonitorApp
    from controller.monitor.plain_characters import VARIABLE

    source = source_of(endpoint, key, password_file, ca)
    check_terminal()
    if ascii_only:
        os.environ[VARIABLE] = "1"
    MonitorApp(source).run()
