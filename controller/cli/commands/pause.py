"""``alloyscope pause``."""

from __future__ import annotations

from controller.cli.options import Endpoint, KeyPath


def pause(endpoint: Endpoint, key: KeyPath = None) -> None:
    """Pause a running session at the next safe point."""
    from controller.stream.running_session import find_endpoints, send_command

    print(send_command(find_endpoints(endpoint, key), "pause"))
