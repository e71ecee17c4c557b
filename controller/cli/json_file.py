"""The file that `--json` names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drivers.errors import ConfigError


def check_writable(json_path: Path | None) -> None:
    """Refuse a place that cannot be written, before anything is run."""
    if json_path is not None and not json_path.resolve().parent.is_dir():
        raise ConfigError("--json", [f"the folder {json_path.parent} does not exist; create it first"])
    if json_path is not None and json_path.is_dir():
        raise ConfigError("--json", [f"{json_path} is a folder; name a file"])


def write_json(json_path: Path | None, data: dict[str, Any]) -> None:
    if json_path is not None:
        text = json.dumps(data, indent=1, allow_nan=False) + "\n"
        try:
            json_path.write_text(text)
        except OSError as error:
            raise ConfigError("--json", [f"{json_path} cannot be written: {error.strerror}"]) from None
