"""What a kind of file is to the registry of readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = "/"
"""Stands for a folder among the endings."""


@dataclass(frozen=True)
class Reader:
    """One kind of file; a file of this package that holds one as ``READER`` is found by being here."""

    kind: str
    """In words: ``tilt series``."""
    endings: tuple[str, ...]
    """Of file names, in lower case; `FOLDER` for a folder."""
    read: Callable[[Path], Any]
    """Raises `ConfigError` with what to do where a file is of another kind or damaged."""
    rank: int = 0
    """Of several kinds that share an ending, the higher is tried first."""
