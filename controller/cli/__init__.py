"""The command line: one file per command in `controller.cli.commands`."""

from __future__ import annotations

import sys

from controller.cli.ending import run_to_end


def main() -> None:
    """Entry point. An emergency stop does not wait until what the other commands need is imported."""
    if len(sys.argv) == 3 and sys.argv[1] == "stop" and not sys.argv[2].startswith("-"):
        run_to_end(_stop)
    else:
        run_to_end(_any_command)


def _stop() -> None:
    from controller.stream.running_session import find_endpoints, send_command

    print(send_command(find_endpoints(sys.argv[2]), "stop"))


def _any_command() -> None:
    from controller.cli.app import application

    application()()


__all__ = ["main"]
