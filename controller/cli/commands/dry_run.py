"""``alloyscope dry-run``."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.options import JsonPath, NoScreen, OutPath, Seed, SessionPath, Trust


def dry_run(
    session: SessionPath,
    json_path: JsonPath = None,
    out: OutPath = None,
    seed: Seed = None,
    no_screen: NoScreen = False,
    trust: Trust = False,
    pace: Annotated[
        int | None,
        typer.Option(min=0, help="wait while the analysis is more states behind; 2 on a screen, else no waiting"),
    ] = None,
) -> None:
    """Run a session on the stepped clock: hours pass in seconds, everything else is real."""
    from controller.cli.session_run import start
    from drivers.clock import SteppedClock

    start(
        session,
        SteppedClock,
        ["dry-run"],
        json_path=json_path,
        out=out,
        seed=seed,
        no_screen=no_screen,
        faked_clock=True,
        trust=trust,
        pace=pace,
    )
