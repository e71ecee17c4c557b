"""``[telemetry]``: the MQTT broker that hears of a session, and who one is there; the password stands elsewhere."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from controller.plan.quantities import Name
from drivers.errors import ConfigError
from drivers.toml_file import Strict

LEVELS = ("chip", "stage", "run", "log", "results", "windows", "status")
"""Of topics below a session: no particle may be called like one."""
PLAIN_PORT, TLS_PORT = 1883, 8883

Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_.:-]+$")]
TopicPath = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")]
"""Levels of a topic, none of which means anything to a broker."""


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


class TelemetrySection(Strict):
    """Where the session's state, readings and results are published."""

    host: Host
    port: int | None = Field(None, ge=1, le=65535)
    """By default 1883, with TLS 8883."""
    root: TopicPath = "alloyscope"
    site: Name
    """Topics are ``root/site/session/device/quantity``."""
    tls: bool = False
    ca_file: Path | None = None
    """Certificates that the broker's must be signed by; without it, those that the system trusts."""
    username: str = Field("", max_length=200)
    password_file: Path | None = None
    """Of mode 0600; its first line."""
    password_env: str = Field("", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """Or the environment variable that holds it."""
    home_assistant: bool = False
    """Also publish discovery messages, so that Home Assistant shows the session by itself."""
    queue_messages: int = Field(50_000, ge=100, le=1_000_000)
    """Kept while there is no broker: some two hours. Of more, the oldest readings are dropped, and counted."""

    @model_validator(mode="before")
    @classmethod
    def _no_password(cls, given: Any) -> Any:
        if isinstance(given, dict) and "password" in given:
            raise ValueError("a password never stands in a session file; write password_file or password_env")
        return given

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file is for TLS; add tls = true")
        if self.password_file is not None and self.password_env:
            raise ValueError("the password is either in password_file or in password_env; write one of them")
        if (self.password_file is not None or self.password_env) and not self.username:
            raise ValueError("a broker asks whose password it is; add username")
        return self

    def broker(self, origin: Path) -> Broker:
        """Paths start from `origin`; raises `ConfigError` for a password or certificates that cannot be had."""
        password = None
        if self.password_file is not None:
            password = password_in(origin / self.password_file)
        elif self.password_env:
            password = os.environ.get(self.password_env)
            if password is None:
                words = f"password_env: there is no environment variable {self.password_env}; set it to the password"
                raise ConfigError("telemetry", [words])
        ca_file = None if self.ca_file is None else origin / self.ca_file
        port = (TLS_PORT if self.tls else PLAIN_PORT) if self.port is None else self.port
        return Broker(self.host, port, self.username or None, password, tls_context(ca_file) if self.tls else None)


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
