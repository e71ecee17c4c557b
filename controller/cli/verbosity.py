"""How much the command line says, as asked once for a process: `-q` and `-v` before a command."""

from __future__ import annotations

from enum import IntEnum


class Verbosity(IntEnum):
    QUIET = -1
    """Warnings, errors and results."""
    USUAL = 0
    VERBOSE = 1
    """Each tilt as well."""


_asked = Verbosity.USUAL


def ask(verbosity: Verbosity) -> None:
    global _asked  # a process has one command line
    _asked = verbosity


def asked() -> Verbosity:
    return _asked
