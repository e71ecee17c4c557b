"""``alloyscope repeat``."""

from __future__ import annotations

from controller.cli.options import Endpoint, KeyPath, StepName


def repeat(endpoint: Endpoint, step: StepName, key: KeyPath = None) -> None:
    """Take a step of a running session once more, next: c05/NC2/tilt, c05/heat, or all of a cycle: c05."""
    from controller.cli.amending import amend

    amend(endpoint, key, f"repeat {step}")
