"""``alloyscope stop``."""

from __future__ import annotations

from controller.cli.options import Endpoint, KeyPath


def stop(endpoint: Endpoint, key: KeyPath = None) -> None:
    """Emergency stop: the chip off and the beam blanked, at once."""
    from controller.stream.running_session import find_endpoints, send_command

    print(send_command(find_endpoints(endpoint, key), "stop"))
