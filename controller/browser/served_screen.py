"""The screen in a browser: one `alloyscope monitor` for each page, for those who have the token.

A page can stop a session. So every request needs the token, also on this computer, where other users and any page of
the web in the same browser could ask else; the socket also needs to be opened by a page of this very server.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server

from drivers.errors import ConfigError

PAGES = 8
"""That may be open at a time: each is a process of its own, with some 80 MB."""
_LEAVE_S = 2.0
"""Within which a screen that is told to leave must be gone."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ANY = ("0.0.0.0", "::")  # named, to be told to people by this computer's own name
_SAFE = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class _Screen(AppService):
    """The process that draws one page; it never outlives it, though it is told to leave before it listens."""

    async def stop(self) -> None:
        process = self._process
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_S):
                    await super().stop()
        finally:
            if process is not None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


class ServedScreen(Server):
    """Serves pages that show what a command draws.

    Parameters
    ----------
    command : arguments of the program that draws, a Textual application
    host, port : where it listens; port 0 is any that is free
    title : of the page
    """

    def __init__(self, command: Sequence[str], host: str, port: int, title: str) -> None:
        super().__init__(f"exec {shlex.join(command)}", host, port, title, templates_path=str(Path(__file__).parent))
        self._token = secrets.token_urlsafe(24)
        self._open = 0

    async def serve_until_cancelled(self, ready: Callable[[str], None]) -> None:
        """Tell by `ready` the address to open, with its token.

        Raises
        ------
        ConfigError
            When the address cannot be listened at.
        """
        logging.getLogger("textual-serve").setLevel(logging.ERROR)
        runner = web.AppRunner(await self._make_app(), access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, self.host, self.port).start()
            except OSError as error:
                words = f"cannot be listened at ({error.strerror}); choose another --port, or another --host"
                raise ConfigError(f"{self.host}:{self.port}", [words]) from error
            self.port = runner.addresses[0][1]
            ready(self.address)
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    @property
    def address(self) -> str:
        host = socket.gethostname() if self.host in _ANY else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/?token={self._token}"

    @property
    def warning(self) -> str:
        """What a person must know of where it listens; empty on loopback."""
        if self.host in _LOOPBACK:
            return ""
        return (
            "not encrypted: who can listen on this network can take the token, and the session; where that may be, "
            f"leave out --host and let people come by ssh -L {self.port}:127.0.0.1:{self.port} {socket.gethostname()}"
        )

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing; `ready` does."""

    async def handle_index(self, request: web.Request) -> web.Response:
        """The page. Its addresses are those by which it was asked for, so that it can be reached through a tunnel."""
        here, nonce = f"//{request.host}", secrets.token_urlsafe(12)
        context = {
            "font_size": _number(request.query.get("fontsize", ""), 6, 60, 15),
            "app_websocket_url": f"{'wss' if request.secure else 'ws'}:{here}/ws",
            "config": {"static": {"url": "/static/"}},
            "application": {"name": self.title},
            "nonce": nonce,
        }
        page = aiohttp_jinja2.render_template("page.html", request, context)
        page.headers["Content-Security-Policy"] = (
            f"default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
            f"connect-src 'self' ws:{here} wss:{here}; img-src 'self' data:; frame-ancestors 'none'"
        )
        page.set_cookie(self._cookie, self._token, httponly=True, samesite="Strict", path="/")
        return page

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        if request.headers.get("Origin", "") != f"{request.scheme}://{request.host}":
            raise web.HTTPForbidden(text="The screen is only for its own page.\n")
        if self._open >= PAGES:
            raise web.HTTPServiceUnavailable(text=f"{PAGES} pages are open; close one of them.\n")
        self._open += 1
        page = web.WebSocketResponse(heartbeat=15)

        async def close() -> None:
            await page.close()

        screen = _Screen(
            self.command,
            write_bytes=page.send_bytes,
            write_str=page.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        try:
            await page.prepare(request)
            await screen.start(_cells(request, "width", 80), _cells(request, "height", 24))
            await self._process_messages(page, screen)
        except (ValueError, KeyError, TypeError, IndexError, AssertionError, ConnectionError):
            await page.close(message=b"not what a page sends")
        finally:
            self._open -= 1
            await screen.stop()
        return page

    async def _make_app(self) -> web.Application:
        """Routes of our own: no downloads, no lists of folders, and nothing for those without the token."""
        app = web.Application(middlewares=[self._admit])
        aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(self.templates_path), autoescape=True)
        app.add_routes(
            [
                web.get("/", self.handle_index, name="index"),
                web.get("/ws", self.handle_websocket, name="websocket"),
                web.static("/static", self.statics_path, name="static"),
            ]
        )
        return app

    @property
    def _cookie(self) -> str:
        """Of this port: browsers keep one jar for all ports of a computer."""
        return f"alloyscope-{self.port}"

    @web.middleware
    async def _admit(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        shown = request.cookies.get(self._cookie, "")
        if request.path == "/":
            shown = request.query.get("token", "") or shown
        if not secrets.compare_digest(shown.encode(errors="replace"), self._token.encode()):
            raise web.HTTPForbidden(text="Open the address that `alloyscope serve` printed; it has a token.\n")
        answer = await handler(request)
        if not answer.prepared:
            answer.headers.update(_SAFE)
        return answer


def screen_of(endpoint: str, key: Path | None) -> list[str]:
    """The command that draws a session."""
    with_key = ["--key", str(key)] if key is not None else []
    return [sys.executable, "-P", "-m", "controller.cli", "monitor", *with_key, "--", endpoint]


def _cells(request: web.Request, which: str, usual: int) -> int:
    return _number(request.query.get(which, ""), 10, 1000, usual)


def _number(asked: str, least: int, most: int, usual: int) -> int:
    return int(asked) if re.fullmatch("[0-9]{1,4}", asked) and least <= int(asked) <= most else usual
