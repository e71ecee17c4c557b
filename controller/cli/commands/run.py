"""``alloyscope run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import JsonPath, NoScreen, OutPath, Seed, SessionPath, Trust


def run(
    session: SessionPath,
    json_path: JsonPath = None,
    out: OutPath = None,
    seed: Seed = None,
    no_screen: NoScreen = False,
    trust: Trust = False,
    speed: Annotated[float, typer.Option(help="run the clock faster; for simulated devices", min=0.01)] = 1.0,
    listen: Annotated[str, typer.Option(help="also be reached at tcp://HOST:PORT (and the next two)")] = "",
    key: Annotated[Path | None, typer.Option("--key", help="session.key, for --listen")] = None,
) -> None:
    """Run a session in real time, the chip guarded by a process of its own."""
    from controller.cli.session_run import door_at, start
    from drivers.clock import ScaledClock

    start(
        session,
        lambda: ScaledClock(speed),
        ["run", "--speed", str(speed), *(["--listen", listen, "--key", str(key)] if listen else [])],
        json_path=json_path,
        out=out,
        seed=seed,
        no_screen=no_screen,
        faked_clock=speed != 1.0,
        trust=trust,
        door=door_at(listen, key),
    )
