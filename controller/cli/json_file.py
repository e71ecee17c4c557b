"""The file that `--json` names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drivers.errors import ConfigError


def check_writable(path: Path | None, option: str = "--json") -> None:
    """Refuse a place that cannot be written, before anything is run."""
    if path is not None and not path.resolve().parent.is_dir():
        raise ConfigError(option, [f"the folder {path.parent} does not exist; create it first"])
    if path is not None and path.is_dir():
        raise ConfigError(option, [f"{path} is a folder; name a file"])


def write_json(json_path: Path | None, data: dict[str, Any]) -> None:
    if json_path is not None:
        text = json.dumps(data, indent=1, allow_nan=False) + "\n"
        try:
            json_path.write_text(text)
        except OSError as error:
            raise ConfigError("--json", [f"{json_path} cannot be written: {error.strerror}"]) from None
