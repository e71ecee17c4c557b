"""The screen in a browser: one `alloyscope monitor` for each page, for those who have the token.

A page can stop a session. So the page and its socket need the token, also on this computer, where other users and any
page of the web in the same browser could ask else. It travels in addresses and never in a cookie, which every port of
this computer would be sent as well; and the socket opens for a page of this very server only.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import re
import secrets
import shlex
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.server import Server

from drivers.errors import ConfigError

PAGES = 8
"""That may be open at a time: each is a process of its own, with some 80 MB."""
_LEAVE_S = 2.0
"""Within which a screen that is told to leave must be gone."""
_MOST_MESSAGE_BYTES = 1 << 16
_MOST_CELLS = 1000
"""Columns or lines of a page."""
_PR_SET_PDEATHSIG = 1
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

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        environment = self._build_environment(width=width, height=height)
        self._process = await asyncio.create_subprocess_exec(
            *shlex.split(self.command),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=environment,
            preexec_fn=_end_with_parent,
        )
        self._stdin = self._process.stdin
        return self._process

    async def ended(self) -> None:
        """Return when it has drawn its last: it was left, or could not start."""
        if self._task is not None:
            await asyncio.wait([self._task])

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
                # What nobody has read keeps a pipe open, and with it the process from being known to have ended.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LEAVE_S):
                        await process.communicate()


class ServedScreen(Server):
    """Serves pages that show what a command draws.

    Parameters
    ----------
    command : arguments of the program that draws, a Textual application
    host, port : where it listens; port 0 is any that is free
    title : of the page
    """

    def __init__(self, command: Sequence[str], host: str, port: int, title: str) -> None:
        super().__init__(shlex.join(command), host, port, title, templates_path=str(Path(__file__).parent))
        self._token = secrets.token_urlsafe(24)
        self._pages: set[web.WebSocketResponse] = set()

    async def serve_until_told(self, ready: Callable[[str], None]) -> None:
        """Tell by `ready` the address to open, with its token; end at SIGTERM and SIGHUP, or when cancelled.

        Raises
        ------
        ConfigError
            When the address cannot be listened at.
        """
        logging.getLogger("textual-serve").setLevel(logging.CRITICAL)
        told, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, told.set)
        runner = web.AppRunner(await self._make_app(), access_log=None, shutdown_timeout=_LEAVE_S)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, self.host, self.port).start()
            except OSError as error:
                words = f"cannot be listened at ({error.strerror}); choose another --port, or another --host"
                raise ConfigError(f"{self.host}:{self.port}", [words]) from error
            self.port = runner.addresses[0][1]
            ready(self.address)
            await told.wait()
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

    async def on_shutdown(self, app: web.Application) -> None:
        going = (page.close(code=1001, message=b"the server ends") for page in list(self._pages))
        await asyncio.gather(*going, return_exceptions=True)  # one that does not answer holds up no other

    async def handle_index(self, request: web.Request) -> web.Response:
        """The page. Its addresses are those by which it was asked for, so that it can be reached through a tunnel."""
        self._admit(request.query.get("token", ""))
        here = f"//{request.host}"
        context = {
            "font_size": _number(request.query.get("fontsize", ""), 6, 60, 15),
            "app_websocket_url": f"{'wss' if request.secure else 'ws'}:{here}/ws/{self._token}",
            "config": {"static": {"url": "/static/"}},
            "application": {"name": self.title},
        }
        page = aiohttp_jinja2.render_template("page.html", request, context)
        page.headers["Content-Security-Policy"] = (
            f"default-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' ws:{here} wss:{here}; "
            "img-src 'self' data:; frame-ancestors 'none'"
        )
        return page

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        self._admit(request.match_info["token"])
        if request.headers.get("Origin", "") != f"{request.scheme}://{request.host}":
            raise web.HTTPForbidden(text="The screen is only for its own page.\n")
        if len(self._pages) >= PAGES:
            raise web.HTTPServiceUnavailable(text=f"{PAGES} pages are open; close one of them.\n")
        page = web.WebSocketResponse(heartbeat=15, max_msg_size=_MOST_MESSAGE_BYTES)

        async def close() -> None:
            await page.close()

        screen = _Screen(
            self.command,
            write_bytes=page.send_bytes,
            write_str=page.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        self._pages.add(page)
        try:
            await page.prepare(request)
            await screen.start(*(_number(request.query.get(n, ""), 1, _MOST_CELLS, 80) for n in ("width", "height")))
            heeding = asyncio.create_task(_heed(page, screen), name="what a page sends")
            ended = asyncio.create_task(screen.ended(), name="a screen draws")
            try:
                await asyncio.wait([heeding, ended], return_when=asyncio.FIRST_COMPLETED)
            finally:
                heeding.cancel()
                ended.cancel()
                await asyncio.wait([heeding, ended])
            await page.close()
        except ConnectionError:
            pass  # it went away while it was answered
        finally:
            await screen.stop()
            self._pages.discard(page)
        return page

    async def _make_app(self) -> web.Application:
        """Routes of our own: no downloads, no lists of folders, and nothing of a session without the token."""
        app = web.Application(middlewares=[_safe])
        aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(self.templates_path), autoescape=True)
        app.add_routes(
            [
                web.get("/", self.handle_index, name="index"),
                web.get("/ws/{token}", self.handle_websocket, name="websocket"),
                web.static("/static", self.statics_path, name="static"),
            ]
        )
        app.on_shutdown.append(self.on_shutdown)
        return app

    def _admit(self, shown: str) -> None:
        if not secrets.compare_digest(shown.encode(errors="replace"), self._token.encode()):
            raise web.HTTPForbidden(text="Open the address that `alloyscope serve` printed; it has a token.\n")


@web.middleware
async def _safe(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    answer = await handler(request)
    if not answer.prepared:
        answer.headers.update(_SAFE)
    return answer


async def _heed(page: web.WebSocketResponse, screen: AppService) -> None:
    """Keys and sizes that a page sends, until it sends what no page does."""
    async for message in page:
        told: object = None
        with suppress(ValueError, RecursionError):
            told = json.loads(message.data) if message.type is WSMsgType.TEXT else None
        match told:
            case ["stdin", str(keys)]:
                await screen.send_bytes(keys.encode(errors="replace"))
            case ["resize", {"width": int(width), "height": int(height)}] if all(
                0 < n <= _MOST_CELLS for n in (width, height)
            ):
                await screen.set_terminal_size(width, height)
            case ["ping", str(sent)]:
                await page.send_json(["pong", sent])
            case ["blur"]:
                await screen.blur()
            case ["focus"]:
                await screen.focus()
            case _:
                await page.close(code=1008, message=b"no page sends this")


def _end_with_parent() -> None:
    """A server that is killed tells nobody; the kernel does (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def screen_of(endpoint: str, key: Path | None) -> list[str]:
    """The command that draws a session."""
    with_key = ["--key", str(key)] if key is not None else []
    return [sys.executable, "-P", "-m", "controller.cli", "monitor", *with_key, "--", endpoint]


def _number(asked: str, least: int, most: int, usual: int) -> int:
    return int(asked) if re.fullmatch("[0-9]{1,4}", asked) and least <= int(asked) <= most else usual
