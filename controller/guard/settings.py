"""What a guard process is told when it is started."""

from __future__ import annotations

from typing import Any

import msgspec


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Goes to the process as JSON."""

    endpoint: str = ""
    """Where it is to listen."""
    folder: str
    """The session's."""
    origin: str
    """Folder that relative paths in the chip's options start from."""
    backend: str
    options: dict[str, Any]
    limits: dict[str, float]
    seed: int
    speed: float
    epoch: float
    """Of the controller's clock."""
