"""``alloyscope resume``."""

from __future__ import annotations

from controller.cli.options import Endpoint


def resume(endpoint: Endpoint) -> None:
    """Resume a paused session."""
    from controller.stream.running_session import find_endpoints, send_command

    print(send_command(find_endpoints(endpoint), "resume"))
