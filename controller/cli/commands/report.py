"""``alloyscope report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="session folder, also of a cut session")],
    to: Annotated[Path | None, typer.Option("--to", help="folder; by default FOLDER/report, made anew")] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="a PDF as well")] = False,
    force: Annotated[bool, typer.Option("--force", help="replace an older report in --to")] = False,
) -> None:
    """One page that needs nothing else: D with its errors, figures, checks, provenance; and a notebook."""
    from analysis.report.report import write_report

    target = to if to is not None else folder / "report"
    written = write_report(folder, target, force=force or to is None, pdf=pdf)
    print(f"{target / 'report.html'}")
    print(f"{len(written)} files; figures with their numbers in {target / 'figures'}")
