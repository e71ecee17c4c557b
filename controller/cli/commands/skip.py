"""``alloyscope skip``."""

from __future__ import annotations

from controller.cli.options import Endpoint, KeyPath, StepName


def skip(endpoint: Endpoint, step: StepName, key: KeyPath = None) -> None:
    """Leave out a step of a running session that has not begun: c05/heat, or all of a cycle: c05."""
    from controller.cli.amending import amend

    amend(endpoint, key, f"skip {step}")
