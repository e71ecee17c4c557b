"""Run a session: in this process with lines, or in one of its own behind a screen."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.final_report import leaving_report
from controller.cli.json_file import check_writable, write_json
from controller.cli.trusted_code import trusted_session
from controller.cli.verbosity import asked
from controller.plan.session_file import SessionFile
from controller.stream.protocol import Leave
from controller.stream.running_session import is_open, read_endpoints
from drivers.clock import Clock, ScaledClock, SteppedClock
from drivers.errors import ConfigError
from drivers.recorded.folder import SessionFolder
from drivers.requests import say

if TYPE_CHECKING:
    from controller.record.past import Past
    from controller.stream.door import Door
    from controller.telemetry.telemetry import Telemetry

_START_LIMIT_S = 60.0
_GUARD_LIMIT_S = 20.0
PACE_ON_A_SCREEN = 2
"""A dry run is over in seconds, long before its analysis: nobody would see the one beside the other."""


def start(
    path: Path,
    clock: Callable[[], Clock],
    again: list[str],
    *,
    json_path: Path | None,
    out: Path | None,
    seed: int | None,
    no_screen: bool,
    faked_clock: bool,
    trust: bool,
    door: Callable[[], Door] | None = None,
    pace: int | None = None,
) -> None:
    """Check the file, find a folder, and run; `again` are the words by which this command starts itself anew.

    Parameters
    ----------
    pace : states that the analysis may be behind, where it is waited for at all
    """
    file = trusted_session(path, trust=trust, faked_clock=faked_clock)
    if seed is not None:
        file = file.model_copy(update={"seed": seed})
    check_writable(json_path)
    folder = new_folder(file.title, out)
    if not no_screen and sys.stdout.isatty():
        options = [
            *(["--seed", str(seed)] if seed is not None else []),
            *(["--json", str(json_path)] if json_path else []),
            *(["--pace", str(PACE_ON_A_SCREEN if pace is None else pace)] if "dry-run" in again else []),
        ]
        behind_screen([*again, str(path), "--no-screen", "--out", str(folder), *options], SessionFolder(folder))
        return
    run_session(file, path, folder, clock(), json_path, door=None if door is None else door(), pace=pace)


def new_folder(title: str, out: Path | None) -> Path:
    """The one that was asked for, or one below ``sessions/``; raises `ConfigError` for one that holds data."""
    folder = out if out is not None else Path("sessions") / f"{_slug(title)}-{time.strftime('%Y%m%d-%H%M%S')}"
    if folder.exists() and _holds_data(folder):
        raise ConfigError("--out", [f"{folder} already exists; name a new folder, data are never overwritten"])
    return folder


def door_at(address: str, key: Path | None) -> Callable[[], Door] | None:
    """Makes the door to the network; none without an address."""
    from controller.stream.door import Door, next_port

    if not address:
        return None
    if key is None:
        raise ConfigError("--listen", ["nobody is let in without a key; give --key session.key (alloyscope keys)"])
    next_port(address)
    return lambda: Door(address, key)


def runs_in(folder: str) -> bool:
    """Whether a session that lives listens there."""
    path = SessionFolder(Path(folder)).endpoints
    return path.is_file() and is_open(read_endpoints(path).get("requests", "ipc://"))


def go_on(
    where: str,
    *,
    accept: bool,
    json_path: Path | None,
    no_screen: bool,
    speed: float,
    trust: bool,
    listen: str = "",
    key: Path | None = None,
) -> None:
    """Go on with the session of a folder from where it ended; `listen`, `key` : as a session begins with them."""
    from controller.record.past import Past

    folder, door = Path(where), door_at(listen, key)
    # It may still write until when the chip was hot and the beam on.
    _wait_for_guard(SessionFolder(folder))
    past = Past.read(folder)
    if past.unknown_heat and not accept:
        raise ConfigError(where, [f"{past.unknown_heat}; begin a new session, or give --accept to go on all the same"])
    source = SessionFolder(folder).session_file
    faked_clock = past.begin.dry or speed != 1.0
    file = trusted_session(source, trust=trust, faked_clock=faked_clock, origin=Path(past.begin.origin))
    check_writable(json_path)
    if not no_screen and sys.stdout.isatty():
        options = ["--accept", "--speed", str(speed), *(["--json", str(json_path)] if json_path else [])]
        options += ["--listen", listen, "--key", str(key)] if listen else []
        behind_screen(["resume", where, "--no-screen", *options], SessionFolder(folder))
        return
    clock = SteppedClock(past.time_s) if past.begin.dry else ScaledClock(speed, start_s=past.time_s)
    file = file.model_copy(update={"seed": past.begin.seed})
    run_session(file, source, folder, clock, json_path, past, None if door is None else door())


def _wait_for_guard(folder: SessionFolder) -> None:
    """The guard of a controller that was killed holds the chip: it is told to make it safe and leave."""
    guard = read_endpoints(folder.endpoints).get("guard") if folder.endpoints.is_file() else None
    deadline = time.monotonic() + _GUARD_LIMIT_S
    if guard is not None and is_open(guard):
        say(guard, Leave())
    while (guard is not None and is_open(guard)) or _deputy_lives(folder):
        if time.monotonic() > deadline:
            words = f"asked to go on; its guard still holds the chip after {_GUARD_LIMIT_S:g} s, see guard.jsonl"
            raise ConfigError(str(folder.path), [words + "; where the chip is cold, end the guard with SIGTERM"])
        time.sleep(0.05)
    folder.endpoints.unlink(missing_ok=True)


def _deputy_lives(folder: SessionFolder) -> bool:
    if not folder.deputy_lock.exists():
        return False
    with folder.deputy_lock.open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def run_session(
    file: SessionFile,
    source: Path,
    folder: Path,
    clock: Clock,
    json_path: Path | None = None,
    past: Past | None = None,
    door: Door | None = None,
    pace: int | None = None,
) -> None:
    """Run to the end, write the JSON summary, and leave a report; raises what stopped it."""
    from controller import events as ev
    from controller.monitor.console import Console, final_lines
    from controller.session import Session

    console, at = Console(asked()), SessionFolder(folder)
    session = Session(file, source, at, clock, [console.hear], past=past, door=door, pace=pace)
    loop: asyncio.AbstractEventLoop | None = None
    over = False

    def log(level: str, words: str) -> None:
        """From any thread; once the session is over nobody listens."""
        with suppress(RuntimeError):  # the loop is closed
            if loop is not None:
                loop.call_soon_threadsafe(tell, ev.Log(clock.now(), level, words))

    def tell(event: ev.Event) -> None:
        if not over:
            session.events.tell(event)

    telemetry = _telemetry(file, session.origin, folder, clock, log)
    if telemetry is not None:
        session.listeners.append(telemetry.hear)

    def announce(endpoints: dict[str, str]) -> None:
        at.endpoints.write_text(json.dumps(endpoints | {"pid": os.getpid()}))

    session.ready = announce

    def abort(number: signal.Signals) -> None:
        hear_end(number)
        session.engine.abort(f"told to end by {number.name}")  # there is an engine once the session has begun

    async def main() -> None:
        nonlocal loop, over
        loop = asyncio.get_running_loop()
        # A signal ends a session as abort does: quenched, blanked, everything recorded kept.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, abort, number)
        try:
            await session.run()
        finally:
            over = True

    with leaving_report(at, wanted=file.report) as hear_end:
        try:
            if isinstance(clock, SteppedClock):
                clock.run(main())
            else:
                asyncio.run(main())
        finally:
            at.endpoints.unlink(missing_ok=True)
            untold = "" if telemetry is None else telemetry.end()
            for line in ([untold] if untold else []) + list(final_lines(session.results, at)):
                print(line, flush=True)
        write_json(json_path, session.json())


def _telemetry(
    file: SessionFile, origin: Path, folder: Path, clock: Clock, log: Callable[[str, str], None]
) -> Telemetry | None:
    if file.telemetry is None:
        return None
    from controller.telemetry.telemetry import Telemetry

    return Telemetry(file.telemetry, file.telemetry.broker(origin), folder.resolve().name, clock, log)


def behind_screen(arguments: list[str], folder: SessionFolder) -> None:
    """Start the session in a process of its own and watch it. Leaving the screen leaves the session running."""
    from controller.monitor.app import MonitorApp
    from controller.stream.running_session import find_endpoints

    folder.path.mkdir(parents=True, exist_ok=True)
    log_path, before = folder.console_log, 0
    with log_path.open("ab") as log:
        before = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "controller.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_LIMIT_S
    while not folder.endpoints.is_file():
        if process.poll() is not None or time.monotonic() > deadline:
            print(_said(log_path, before), end="", file=sys.stderr)
            sys.exit(process.poll() or 1)
        time.sleep(0.05)
    MonitorApp(find_endpoints(str(folder.path))).run()
    if process.poll() is None:
        if folder.endpoints.is_file():
            print(f"the session goes on in {folder.path}; watch it with: alloyscope monitor {folder.path}")
            return
        print("the session has ended; its report is being written", flush=True)
        process.wait()
    print(_said(log_path, before), end="")
    sys.exit(process.returncode)


def _holds_data(folder: Path) -> bool:
    """Whether anything is there but the log of the screen's own child, which is this process."""
    if not folder.is_dir():
        return True
    return any(path != SessionFolder(folder).console_log for path in folder.iterdir())


def _said(log: Path, since: int) -> str:
    return log.read_bytes()[since:].decode(errors="replace")


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "session"
