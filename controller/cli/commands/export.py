"""``alloyscope export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from drivers.errors import ConfigError


def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="session folder, also of a cut session")],
    kind: Annotated[str, typer.Option("--as", help="mrc (with .rawtlt and .mdoc), tiff, hspy or csv")],
    to: Annotated[Path | None, typer.Option("--to", help="new folder; by default FOLDER/export/KIND")] = None,
) -> None:
    """Tilt series, maps and volumes, or readings and ledgers, as files that other programs read."""
    from analysis.export.session_export import Kind, export_session, files_in

    if kind not in get_args(Kind):
        raise ConfigError("--as", [f"asked for {kind!r}; there are {', '.join(get_args(Kind))}"])
    target = to if to is not None else folder / "export" / kind
    export_session(folder, target, cast(Kind, kind), lambda words: print(f"note: {words}", file=sys.stderr))
    written = list(files_in(target))
    print(f"{target}: {len(written)} files")
    for path in written:
        print(f"  {path.relative_to(target)}")
