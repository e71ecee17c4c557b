"""``alloyscope calibrate``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from controller.cli.options import SessionPath, Trust


def calibrate(
    what: Annotated[Literal["stage"], typer.Argument(help="how the stage's axes lie on the image, and their play")],
    session: SessionPath,
    pixel_nm: Annotated[
        float | None, typer.Option(help="of the images; four times the session's by default", min=1e-3)
    ] = None,
    step_nm: Annotated[float | None, typer.Option(help="a fifth of the field by default", min=1.0)] = None,
    repeats: Annotated[int, typer.Option(help="more of them make the errors smaller", min=2, max=50)] = 3,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before a real stage is moved")] = False,
    trust: Trust = False,
) -> None:
    """Measure an instrument on what it shows; prints what to put into the session file."""
    from controller.calibration import calibrated_stage
    from controller.cli.trusted_code import trusted_session

    file = trusted_session(session, trust=trust)
    ask = None if yes else typer.confirm
    calibrated_stage(file, session.parent, pixel_nm=pixel_nm, step_nm=step_nm, repeats=repeats, ask=ask)
