"""Files of keys, one per role, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import zmq

from drivers.errors import ConfigError
from drivers.toml_file import Strict, load_toml

_LET_IN = ("operator", "observer", "analyst")


class Key(Strict):
    """What a key file holds."""

    role: Literal["session", "operator", "observer", "analyst"]
    """Operators may pause, resume, abort and stop; observers watch; analysts get the frames and send results."""
    public: str
    secret: str
    session: str
    """Public key of the session that it opens."""
    operators: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    analysts: tuple[str, ...] = ()
    """Public keys that a session lets in."""


def make_keys(folder: Path) -> list[Path]:
    """Write ``session.key`` and one for each role that it lets in; raises `ConfigError` rather than replace one."""
    paths = {role: folder / f"{role}.key" for role in ("session", *_LET_IN)}
    there = [str(path) for path in paths.values() if path.exists()]
    if there:
        raise ConfigError(str(folder), [f"{path} is there already; name another folder" for path in there])
    folder.mkdir(parents=True, exist_ok=True)
    pairs = {role: tuple(half.decode() for half in zmq.curve_keypair()) for role in paths}
    for role, path in paths.items():
        public, secret = pairs[role]
        lines = [
            f'role = "{role}"',
            f"public = '{public}'",
            f"secret = '{secret}'",
            f"session = '{pairs['session'][0]}'",
        ]
        if role == "session":
            lines += [f"{other}s = ['{pairs[other][0]}']" for other in _LET_IN]
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
    return list(paths.values())


def read_key(path: Path) -> Key:
    """Raises `ConfigError` for what is no key, and for one that others can read."""
    key = load_toml(path, Key)
    if path.stat().st_mode & 0o077:
        raise ConfigError(str(path), [f"others can read this key; run: chmod 600 {path}, or make new ones"])
    wrong = [name for name in ("public", "secret", "session") if len(getattr(key, name)) != 40]
    if wrong:
        raise ConfigError(str(path), [f"{name} is not a key of 40 characters" for name in wrong])
    return key
