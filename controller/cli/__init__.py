"""The command line: one file per command in `controller.cli.commands`."""

from __future__ import annotations

from controller.cli.app import main

__all__ = ["main"]
