"""``alloyscope simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import SessionPath


def simulate(
    session: SessionPath,
    folder: Annotated[
        Path | None, typer.Option(help="of the simulated world and its truth; else one that goes")
    ] = None,
    twin: Annotated[
        list[str] | None, typer.Option(help="OPTION=NUMBER of the simulated microscope; may be repeated")
    ] = None,
    specimen: Annotated[
        list[str] | None, typer.Option(help="PARTICLE=SPECIMEN of the twin, such as C=NC2; may be repeated")
    ] = None,
) -> None:
    """Put simulated instruments where a session file looks for real ones, so that it can be rehearsed as it is."""
    import tempfile

    from controller.instrument_rehearsal import serve_instruments
    from controller.plan.session_file import load_session

    file = load_session(session)
    if folder is not None:
        serve_instruments(file, folder, specimen or [], twin or [], origin=session.parent)
        return
    with tempfile.TemporaryDirectory(prefix="alloyscope-rehearsal-") as world:
        serve_instruments(file, Path(world), specimen or [], twin or [], origin=session.parent)
