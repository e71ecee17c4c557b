"""``alloyscope status``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def status(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="session folder, of one that runs or is over")],
) -> None:
    """What a session is and has found so far, by its folder alone."""
    from analysis.report.listing import status_of
    from analysis.report.story import SessionStory

    for line in status_of(SessionStory.read(folder)):
        print(line)
