"""``alloyscope change``."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.options import Endpoint, KeyPath, StepName


def change(
    endpoint: Endpoint,
    step: StepName,
    temperature_c: Annotated[float, typer.Argument(metavar="CELSIUS")],
    duration_s: Annotated[float, typer.Argument(metavar="SECONDS", help="at that temperature")],
    key: KeyPath = None,
) -> None:
    """Give another pulse in the place of one that has not begun."""
    from controller.cli.amending import amend

    amend(endpoint, key, f"change {step} {temperature_c!r} {duration_s!r}")
