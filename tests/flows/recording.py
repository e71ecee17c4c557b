"""Sessions to run, and sessions that several tests only read: recorded once, by the text of their session file."""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from controller import events as ev
from controller.engine import FinishReason
from controller.plan.check import checked_session
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.recorded.folder import SessionFolder

SMALL = {
    "step_deg": 5.0,
    "from_deg = -70.0": "from_deg = -10.0",
    "to_deg = 70.0": "to_deg = 10.0",
    "durations_s": "[10.0]",
}
_EDX = """
[edx]
backend = "simulated"
lines = ["Ag_La", "Au_Ma"]
pixel_nm = 0.5
shape = [16, 24]
dwell_us = 100.0
frames = 3

[scan]"""
MAPPED = {
    'specimen = "NC2"': 'specimen = "AgAu", name = "NC2"',
    "[scan]": _EDX,
    'kind = "pulses"': 'kind = "edx-map"\n[[plan]]\nkind = "image"\n[[plan]]\nkind = "pulses"',
}
"""A tilt series, a map and an image before a pulse, a tilt series after it, beside `SMALL`."""


def session_in(path: Path, folder: Path, *listeners: ev.Listener) -> tuple[Session, SteppedClock]:
    clock = SteppedClock()
    return Session(checked_session(path), path, SessionFolder(folder), clock, list(listeners)), clock


@dataclass(frozen=True)
class Recording:
    """A session that was run undisturbed to its end."""

    folder: Path
    """A copy of the test's own."""
    told: dict[str, Any]
    """What `Session.json` told at the end."""
    heard: list[ev.Event]
    reason: FinishReason


Recorded = Callable[[Path, Path], Recording]
"""(session file, folder to be): run before by this or the other worker of pytest, else now."""


def recorded_in(store: Path) -> Recorded:
    def recorded(session_file: Path, folder: Path) -> Recording:
        kept = store / hashlib.sha256(session_file.read_bytes()).hexdigest()[:12]
        kept.mkdir(parents=True, exist_ok=True)
        with (kept / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the other worker may be recording the same
            if not (kept / "reason").exists():
                _record(session_file, kept)
        shutil.copytree(kept / "session", folder)
        heard = [ev.decode(event) for event in msgspec.msgpack.decode((kept / "heard").read_bytes())]
        told = json.loads((kept / "told.json").read_text())
        return Recording(folder, told, heard, FinishReason((kept / "reason").read_text()))

    return recorded


def _record(session_file: Path, kept: Path) -> None:
    heard: list[ev.Event] = []
    session, clock = session_in(session_file, kept / "session", heard.append)
    reason = clock.run(session.run())
    (kept / "heard").write_bytes(msgspec.msgpack.encode([ev.encode(event) for event in heard]))
    (kept / "told.json").write_text(json.dumps(session.json()))
    (kept / "reason").write_text(reason.value)
