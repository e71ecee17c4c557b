"""``alloyscope assist``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def assist(
    address: Annotated[str, typer.Argument(metavar="tcp://HOST:PORT", help="where the session listens")],
    key: Annotated[Path, typer.Option(help="analyst.key, made with the session's own")],
    name: Annotated[str, typer.Option(help="by which the session tells of it; by default this computer's")] = "",
) -> None:
    """Take part in the live analysis of a session on another computer, until it is over.

    Particles are shared: each is analysed whole by one computer. When this one is stopped, others do its part.
    """
    import os
    import socket

    from analysis.live.assistant import assist as take_part
    from controller.stream.door import FOR_ANALYSES, next_port
    from drivers.errors import ConfigError
    from drivers.key_file import read_key
    from drivers.keys import try_door, with_key

    if (role := read_key(key).role) != "analyst":
        raise ConfigError(str(key), [f"is the key of an {role}; an analysis takes part with analyst.key"])
    of_analyses = with_key(next_port(address, FOR_ANALYSES), key)
    try_door(of_analyses)
    raise typer.Exit(take_part(of_analyses, name or f"{socket.gethostname()}-{os.getpid()}", print))
