"""The file that `--json` names; ``-`` is standard output, which then has nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from drivers.errors import ConfigError

STANDARD_OUTPUT = Path("-")


def check_writable(path: Path | None, option: str = "--json") -> None:
    """Refuse a place that cannot be written, before anything is run."""
    if path == STANDARD_OUTPUT and option == "--json":
        _leave_standard_output_alone()
        return
    if path is not None and not path.resolve().parent.is_dir():
        raise ConfigError(option, [f"the folder {path.parent} does not exist; create it first"])
    if path is not None and path.is_dir():
        raise ConfigError(option, [f"{path} is a folder; name a file"])


def write_json(json_path: Path | None, data: dict[str, Any]) -> None:
    if json_path is not None:
        text = json.dumps(data, indent=1, allow_nan=False) + "\n"
        if json_path == STANDARD_OUTPUT:
            _for_programs.write(text)
            return
        try:
            json_path.write_text(text)
        except OSError as error:
            raise ConfigError("--json", [f"{json_path} cannot be written: {error.strerror}"]) from None


_for_programs = sys.stdout


def _leave_standard_output_alone() -> None:
    """What is said to people goes to standard error."""
    global _for_programs  # a process has one standard output
    if sys.stdout is not sys.stderr:
        _for_programs, sys.stdout = sys.stdout, sys.stderr
