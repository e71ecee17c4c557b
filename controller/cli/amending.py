"""Commands that amend the plan of a running session."""

from __future__ import annotations

from pathlib import Path

from controller.plan.running_plan import REFUSED
from controller.stream.running_session import find_endpoints, send_command
from drivers.errors import ConfigError


def amend(endpoint: str, key: Path | None, command: str) -> None:
    """Send it, and print what has become of the plan.

    Raises
    ------
    ConfigError
        Where it was refused, with the reason; nothing has changed then.
    """
    answer = send_command(find_endpoints(endpoint, key), command)
    if answer.startswith(REFUSED):
        raise ConfigError(command, [answer.removeprefix(REFUSED)])
    print(answer)
