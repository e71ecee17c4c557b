"""``alloyscope check``."""

from __future__ import annotations

from controller.cli.options import SessionPath, Trust


def check(session: SessionPath, trust: Trust = False) -> None:
    """Check a session file: timeline, dose and duration, or every error at once."""
    from controller.cli.trusted_code import trusted_session
    from controller.plan.timeline import timeline

    for line in timeline(trusted_session(session, trust=trust)):
        print(line)
    print(f"{session} is accepted; next: alloyscope dry-run {session}")
