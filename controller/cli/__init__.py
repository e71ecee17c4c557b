"""The command line: one file per command in `controller.cli.commands`."""

from __future__ import annotations

import sys

from controller.cli.ending import run_to_end


def main() -> None:
    """Entry point. An emergency stop and a screen do not wait until what the other commands need is imported."""
    match sys.argv[1:]:
        case ["stop", where] if not where.startswith("-"):
            run_to_end(_stop)
        case ["monitor", where] if not where.startswith("-"):
            run_to_end(_monitor)
        case _:
            run_to_end(_any_command)


def _stop() -> None:
    from controller.stream.running_session import find_endpoints, send_command

    print(send_command(find_endpoints(sys.argv[2]), "stop"))


def _monitor() -> None:
    from controller.cli.sources import check_terminal, source_of
    from controller.monitor.app import MonitorApp

    source = source_of(sys.argv[2])
    check_terminal()
    MonitorApp(source).run()


def _any_command() -> None:
    from controller.cli.app import application

    application()()


__all__ = ["main"]
