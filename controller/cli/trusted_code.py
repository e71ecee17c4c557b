"""A session file may name code (``my_chip.py:MyChip``): it is run only once a person has said so with ``--trust``.

What was trusted is remembered with a digest, so that a file that has changed since is asked about again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from controller.plan.check import checked_session
from controller.plan.session_file import (
    ChipSection,
    EdxSection,
    MicroscopeSection,
    SessionFile,
    load_session,
)
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
    sections: list[ChipSection | MicroscopeSection | EdxSection] = [session.chip, session.microscope]
    sections += [] if session.edx is None else [session.edx]
    found = []
    for backend in (name for s in sections for name in (s.backend, *_wrapped(s.options))):
        module, colon, _ = backend.rpartition(":")
        if not colon or (not module.endswith(".py") and module.partition(".")[0] in _OURS):
            continue
        file = origin / module
        if module.endswith(".py") and file.is_file():
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            found.append((str(file), f"{digest}  {file.resolve()}"))
        else:
            found.append((backend, f"module  {module}"))
    return found


def _wrapped(options: Mapping[str, Any]) -> Iterator[str]:
    """Backends that another one wraps: `of` in its options, however deep."""
    for key, value in options.items():
        if key == "of":
            yield str(value)
        elif isinstance(value, Mapping):
            yield from _wrapped(value)


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
