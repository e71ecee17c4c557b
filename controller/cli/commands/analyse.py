"""``alloyscope analyse``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.json_file import check_writable, write_json
from controller.cli.options import JsonPath
from controller.cli.progress import progress


def analyse(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST.toml|FOLDER", help="manifest or session folder")],
    json_path: JsonPath = None,
    spread: Annotated[str, typer.Option(help="behind the degree: std, variance, mad, iqr or histogram")] = "std",
) -> None:
    """Analyse old data: tilt-series files named in a manifest, or a recorded session."""
    from analysis.live.offline import Interrupted
    from analysis.live.offline import analyse as analyse_source
    from controller.monitor.console import print_result

    check_writable(json_path)
    try:
        with progress("tilt series analysed", counted=True) as show:
            told = analyse_source(source, print_result, spread=spread, hear=show)
    except Interrupted as interrupted:
        print(f"alloyscope: analyse was interrupted; {interrupted}", file=sys.stderr)
        raise typer.Exit(130) from None
    for words in told.get("left_out", []):
        print(f"warning: {words}", file=sys.stderr)
    write_json(json_path, told)
