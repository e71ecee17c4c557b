"""A session file may name code (``my_chip.py:MyChip``): it is run only once a person has said so with ``--trust``.

What was trusted is remembered with a digest, so that a file that has changed since is asked about again.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from controller.plan.check import checked_session
from controller.plan.session_file import SessionFile, load_session
from drivers.errors import ConfigError

_OURS = ("simulators", "drivers")
"""Packages of this program whose classes may be named without being an entry point."""


def trusted_session(path: Path, *, trust: bool, faked_clock: bool = False, origin: Path | None = None) -> SessionFile:
    """A session file checked as `checked_session` does, after what code it names.

    Parameters
    ----------
    trust : remember the code that it names as trusted

    Raises
    ------
    ConfigError
        Before any of that code is run, where it is not trusted.
    """
    session = load_session(path)
    foreign = {line: name for name, line in _foreign_code(session, origin or path.parent)}
    if trust:
        _remember(foreign)
    known = _remembered()
    unknown = [name for line, name in foreign.items() if line not in known]
    if unknown:
        names = ", ".join(unknown)
        words = f"names code that would be run with your rights: {names}. Read it, then give --trust once"
        raise ConfigError(str(path), [words])
    return checked_session(path, faked_clock=faked_clock, origin=origin)


def _foreign_code(session: SessionFile, origin: Path) -> list[tuple[str, str]]:
    """Name, and the line by which it is known again, of each backend that is not installed as one."""
    named = [session.chip.backend, session.microscope.backend, *([] if session.edx is None else [session.edx.backend])]
    found = []
    for backend in named:
        module, colon, _ = backend.rpartition(":")
        if not colon or module.partition(".")[0] in _OURS:
            continue
        file = origin / module
        if module.endswith(".py") and file.is_file():
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            found.append((str(file), f"{digest}  {file.resolve()}"))
        else:
            found.append((backend, f"module  {module}"))
    return found


def _list() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "alloyscope" / "trusted_code"


def _remembered() -> set[str]:
    return set(_list().read_text(errors="replace").splitlines()) if _list().is_file() else set()


def _remember(lines: dict[str, str]) -> None:
    new = [line for line in lines if line not in _remembered()]
    if new:
        _list().parent.mkdir(parents=True, exist_ok=True)
        with _list().open("a") as file:
            file.writelines(f"{line}\n" for line in new)
