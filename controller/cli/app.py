"""All commands together."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer

from controller.cli import commands
from controller.cli.verbosity import Verbosity, ask


def application() -> typer.Typer:
    """Every file in `commands` is a command: its function of the same name. Heavy packages are imported inside it."""
    app = typer.Typer(
        help="In-situ heating and tomography sessions with live alloying, diffusion and temperature results.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help comes in half the time
    )
    app.callback(help=app.info.help)(_before)
    for module in iter_modules(commands.__path__):
        command = getattr(import_module(f"{commands.__name__}.{module.name}"), module.name)
        app.command(module.name.rstrip("_").replace("_", "-"))(command)  # import_: Python keeps the word for itself
    return app


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"alloyscope {version('alloyscope')}")
        raise typer.Exit


def _before(
    _: Annotated[
        bool, typer.Option("--version", help="print the version, and leave", is_eager=True, callback=_tell_version)
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="say only warnings, errors and results")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="say each tilt, too")] = False,
) -> None:
    """What every command has before it."""
    if quiet and verbose:
        raise typer.BadParameter("-q and -v ask for less and for more; give one of them")
    ask(Verbosity.QUIET if quiet else Verbosity.VERBOSE if verbose else Verbosity.USUAL)
