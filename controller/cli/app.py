"""All commands together, and what becomes of their errors."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pkgutil import iter_modules

import typer

from controller.cli import commands
from drivers.device_thread import stuck
from drivers.errors import AlloyscopeError, ConfigError


def application() -> typer.Typer:
    """Every file in `commands` is a command: its function of the same name. Heavy packages are imported inside it."""
    app = typer.Typer(
        help="In-situ heating and tomography sessions with live alloying, diffusion and temperature results.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help comes in half the time
    )
    for module in iter_modules(commands.__path__):
        command = getattr(import_module(f"{commands.__name__}.{module.name}"), module.name)
        app.command(module.name.replace("_", "-"))(command)
    return app


def main() -> None:
    """Entry point: errors of the user become one message and exit code 2, failures of a session exit code 1."""
    try:
        _main()
    except SystemExit as ended:
        if stuck():  # a vendor's library that never comes back would keep the interpreter for ever
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ended.code if isinstance(ended.code, int) else 1)
        raise


def _main() -> None:
    try:
        application()()
    except ConfigError as error:
        print(f"alloyscope: {error}", file=sys.stderr)
        sys.exit(2)
    except AlloyscopeError as error:
        print(f"alloyscope: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("alloyscope: interrupted; devices were made safe, recorded data are kept", file=sys.stderr)
        sys.exit(130)
