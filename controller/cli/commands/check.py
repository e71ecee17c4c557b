"""``alloyscope check``."""

from __future__ import annotations

from controller.cli.options import SessionPath


def check(session: SessionPath) -> None:
    """Check a session file: timeline, dose and duration, or every error at once."""
    from controller.plan.check import checked_session
    from controller.plan.timeline import timeline

    for line in timeline(checked_session(session)):
        print(line)
