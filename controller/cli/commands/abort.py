"""``alloyscope abort``."""

from __future__ import annotations

from controller.cli.options import Endpoint, KeyPath


def abort(endpoint: Endpoint, key: KeyPath = None) -> None:
    """Abort a session: quench, blank, keep everything recorded."""
    from controller.stream.running_session import find_endpoints, send_command

    print(send_command(find_endpoints(endpoint, key), "abort"))
