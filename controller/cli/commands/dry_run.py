"""``alloyscope dry-run``."""

from __future__ import annotations

from controller.cli.options import JsonPath, NoScreen, OutPath, Seed, SessionPath, Trust


def dry_run(
    session: SessionPath,
    json_path: JsonPath = None,
    out: OutPath = None,
    seed: Seed = None,
    no_screen: NoScreen = False,
    trust: Trust = False,
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
    )
