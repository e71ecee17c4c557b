"""An MQTT broker, and who one is there; the password stands in a file or in the environment."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.errors import ConfigError

PLAIN_PORT, TLS_PORT = 1883, 8883


@dataclass(frozen=True)
class Broker:
    """A broker, and who one is there."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def password_of(origin: Path, file: Path | None, variable: str) -> str | None:
    """From a file, its path from `origin`, or else from an environment variable; raises `ConfigError`."""
    if file is not None:
        return password_in(origin / file)
    if not variable:
        return None
    password = os.environ.get(variable)
    if password is None:
        words = f"password_env: there is no environment variable {variable}; set it to the password"
        raise ConfigError("password", [words])
    return password


def password_in(path: Path) -> str:
    """First line of a file that only its owner can read; raises `ConfigError`."""
    try:
        mode, text = path.stat().st_mode, path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not text"
        raise ConfigError(str(path), [f"password_file: {path} cannot be read ({why}); check the path"]) from error
    if mode & 0o077:
        raise ConfigError(str(path), [f"password_file: others can read it; run: chmod 600 {path}"])
    password = text.partition("\n")[0].rstrip("\r")
    if not password:
        raise ConfigError(str(path), [f"password_file: {path} holds no password; write it into the first line"])
    return password


class _ClosingContext(ssl.SSLContext):
    """Closes the socket of a handshake that fails, which paho would leave open."""

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*args, **{**options, "do_handshake_on_connect": True})


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """That asks for a certificate with the broker's name; raises `ConfigError` for a file that holds none."""
    context = _ClosingContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # of which ssl.SSLError is one
        why = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else "no certificate in PEM"
        words = f"ca_file: {ca_file} cannot be used ({why}); give the certificate of the broker's CA"
        raise ConfigError(str(ca_file), [words]) from error
    return context
