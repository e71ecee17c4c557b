"""``alloyscope monitor``."""

from __future__ import annotations

from controller.cli.options import Endpoint, KeyPath


def monitor(endpoint: Endpoint, key: KeyPath = None) -> None:
    """Watch a session running elsewhere; closing the screen never stops it."""
    from controller.monitor.app import MonitorApp
    from controller.stream.running_session import find_endpoints

    MonitorApp(find_endpoints(endpoint, key)).run()
