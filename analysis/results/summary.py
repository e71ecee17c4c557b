"""The JSON and the table of every run, live, dry and offline, from its results."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from analysis.results.result import Result


def summary(results: Iterable[Result], provenance: dict[str, Any]) -> dict[str, Any]:
    """As docs/results.md has it."""
    told: dict[str, Any] = {"particles": {}}
    for result in results:
        result.add_to(told)
    return told | {"provenance": provenance}


def write_csv(path: Path, results: Iterable[Result]) -> None:
    """``results.csv``: a line for every result that has one."""
    rows = [row for result in results if (row := result.row()) is not None]
    with path.open("w", newline="") as file:
        if rows:
            table = csv.DictWriter(file, list(dict.fromkeys(column for row in rows for column in row)))
            table.writeheader()
            table.writerows(rows)
