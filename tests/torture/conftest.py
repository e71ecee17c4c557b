"""How much torture there is, and what it is told about at the end."""

import os
from collections.abc import Callable

import pytest

TORTURE = float(os.environ.get("ALLOYSCOPE_TORTURE", "1"))
"""How many times as much of everything as continuous integration does: ``make torture`` sets it."""
_told: list[tuple[str, str, str]] = []

Tell = Callable[[str, object, str], None]
"""(attack, how many, what was seen)"""


@pytest.fixture
def tell() -> Tell:
    return lambda attack, count, seen: _told.append((attack, str(count), seen))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _told and "PYTEST_XDIST_WORKER" not in os.environ:
        terminalreporter.section("torture")
        terminalreporter.write_line("| attack | count | seen |")
        terminalreporter.write_line("|---|---|---|")
        for line in _told:
            terminalreporter.write_line(f"| {' | '.join(line)} |")
