"""``alloyscope devices``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def devices(
    action: Annotated[Literal["list", "test"], typer.Argument(help="list what is installed, or test one")] = "list",
    backend: Annotated[
        str, typer.Argument(metavar="NAME", help="as in a session file: impulse, my_chip.py:MyChip")
    ] = "",
    kind: Annotated[str, typer.Option(help="chip or microscope, where the name is both")] = "",
    option: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE of the driver, as in TOML; may be repeated")
    ] = None,
    warm_c: Annotated[float, typer.Option(help="what a chip is heated to, in C", min=80.0, max=400.0)] = 150.0,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before a real instrument is moved or heated")] = False,
) -> None:
    """List drivers, or put one to the test: units, signs, limits, stamps, cancellation, making safe from any state."""
    from controller.device_trial import device_trial, installed

    if action == "list":
        print("\n".join(installed()))
        return
    passed = device_trial(backend, kind, option or [], Path.cwd(), warm_c=warm_c, ask=None if yes else _agreed)
    raise typer.Exit(0 if passed else 1)


def _agreed(question: str) -> bool:
    return typer.confirm(question)
