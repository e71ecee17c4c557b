"""``[telemetry]``: the MQTT broker that hears of a session, and who one is there; the password stands elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from controller.plan.quantities import Name
from drivers.broker import PLAIN_PORT, TLS_PORT, Broker, password_of, tls_context
from drivers.toml_file import Strict

LEVELS = ("chip", "stage", "run", "log", "results", "windows", "status")
"""Of topics below a session: no particle may be called like one."""

Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_.:-]+$")]
TopicPath = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")]
"""Levels of a topic, none of which means anything to a broker."""


class TelemetrySection(Strict):
    """Where the session's state, readings and results are published."""

    host: Host
    """Name or address of the broker."""
    port: int | None = Field(None, ge=1, le=65535)
    """By default 1883, with TLS 8883."""
    root: TopicPath = "alloyscope"
    """First levels of every topic."""
    site: Name
    """Topics are ``root/site/session/device/quantity``."""
    tls: bool = False
    """Encrypt the line, and know the broker by its certificate."""
    ca_file: Path | None = None
    """Certificates that the broker's must be signed by; without it, those that the system trusts."""
    username: str = Field("", max_length=200)
    """Who the session is at the broker."""
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
        password = password_of(origin, self.password_file, self.password_env)
        ca_file = None if self.ca_file is None else origin / self.ca_file
        port = (TLS_PORT if self.tls else PLAIN_PORT) if self.port is None else self.port
        return Broker(self.host, port, self.username or None, password, tls_context(ca_file) if self.tls else None)
