"""``alloyscope unskip``."""

from __future__ import annotations

from controller.cli.options import Endpoint, KeyPath, StepName


def unskip(endpoint: Endpoint, step: StepName, key: KeyPath = None) -> None:
    """Take a step after all that was to be skipped."""
    from controller.cli.amending import amend

    amend(endpoint, key, f"unskip {step}")
