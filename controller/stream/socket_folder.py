"""A folder for sockets that only its owner can enter."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from controller.stream.running_session import is_open
from drivers.errors import ConfigError

PREFIX = "alloyscope-"
_OLD_S = 30.0
"""A younger one may be of a session that is just starting."""
_LONGEST = 107
"""Bytes of a socket's path, by the operating system."""
_ROOM = len("/requests") + len("alloyscope-guard-") + 8


def new_socket_folder(prefix: str = PREFIX) -> Path:
    """Make one, below ``XDG_RUNTIME_DIR`` where there is one; what sessions that were killed have left is removed.

    Raises
    ------
    ConfigError
        Where no place can be written to whose path is short enough for a socket.
    """
    places = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # mkdtemp makes it private
    for place in places:
        if not place or len(os.fsencode(place)) > _LONGEST - _ROOM:
            continue
        try:
            made = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        except OSError:
            continue
        _remove_stale(made)
        return made
    words = f"none of {', '.join(filter(None, places))} can be written to and has a short enough path for sockets"
    raise ConfigError("TMPDIR", [words + "; set XDG_RUNTIME_DIR to such a folder"])


def _remove_stale(made: Path) -> None:
    """Folders like ours beside ours, of ours, that hold sockets at which nobody listens."""
    for folder in made.parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            sockets = [p for p in folder.iterdir() if stat.S_ISSOCK(p.lstat().st_mode)]
            ours = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
            # One that holds nothing yet is being filled by somebody.
            old = time.time() - folder.lstat().st_mtime > _OLD_S
            if ours and old and folder != made and sockets and not any(is_open(f"ipc://{p}") for p in sockets):
                shutil.rmtree(folder)
