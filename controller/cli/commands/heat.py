"""``alloyscope heat``."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.options import Endpoint, KeyPath


def heat(
    endpoint: Endpoint,
    temperature_c: Annotated[float, typer.Argument(help="in C")],
    duration_s: Annotated[float, typer.Argument(help="at that temperature, in s")],
    key: KeyPath = None,
) -> None:
    """Tell a session that watches of a heat pulse that is over now, where there is no log of the heater."""
    from controller.stream.running_session import find_endpoints, send_command

    print(send_command(find_endpoints(endpoint, key), f"heat {temperature_c:g} {duration_s:g}"))
