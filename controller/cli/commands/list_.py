"""``alloyscope list``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def list_(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="that holds session folders")] = Path("sessions"),
) -> None:
    """The sessions in a folder, newest first: when, how they ended, what they found."""
    from analysis.report.listing import sessions_in

    for line in sessions_in(folder):
        print(line)
