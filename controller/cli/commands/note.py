"""``alloyscope note``."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.options import Endpoint, KeyPath


def note(
    endpoint: Endpoint,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="in quotes")],
    key: KeyPath = None,
) -> None:
    """Write a note into the journal of a running session; its report has it, too."""
    from controller.stream.running_session import find_endpoints, send_command

    print(send_command(find_endpoints(endpoint, key), f"note {text}"))
