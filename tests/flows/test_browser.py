"""The screen in a browser: real processes, a real Chromium, and those who must not get in."""

import asyncio
import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import imageio.v3
import numpy as np
import pytest
import yarl

from controller.browser.served_screen import PAGES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HEADLESS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--window-size=1280,800"]


@contextmanager
def served_by(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that serves, and its address with the token."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "controller.cli", "serve", str(folder), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, re.search(r"http://\S+", process.stdout.readline()).group()
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=20.0)
        process.stdout.close()


@pytest.fixture
def served(session_file, tmp_path, recorded) -> Iterator[str]:
    """Of a finished session."""
    with served_by(recorded(session_file(), tmp_path / "s").folder) as (_, address):
        yield address


async def text_of(socket: aiohttp.ClientWebSocketResponse, words: str, within_s: float = 30.0) -> str:
    """What the screen has drawn until these words are there."""
    drawn, until = "", time.monotonic() + within_s
    while words not in drawn:
        assert time.monotonic() < until, f"no {words!r}; last came {drawn[-400:]!r}"
        with suppress(TimeoutError):
            message = await socket.receive(timeout=1.0)
            assert message.type in {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT}, message
            if message.type == aiohttp.WSMsgType.BINARY:
                drawn += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", message.data.decode(errors="replace"))
    return drawn


def socket_of(address: str) -> tuple[str, dict[str, str]]:
    """Where a page of that address would have its screen from, and what it would send with it."""
    here, token = address.split("/?token=")
    return f"{here.replace('http', 'ws')}/ws/{token}?width=100&height=30", {"Origin": here}


async def closed(socket: aiohttp.ClientWebSocketResponse, within_s: float) -> int | None:
    async with asyncio.timeout(within_s):
        while (await socket.receive()).type not in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}:
            pass
    return socket.close_code


def screens(folder: Path) -> list[int]:
    """Processes that draw that session for a page."""
    found = subprocess.run(["pgrep", "-f", f"controller.cli monitor -- {folder}"], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def gone(folder: Path, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while screens(folder) and time.monotonic() < until:
        time.sleep(0.1)
    return not screens(folder)


def test_the_screen_comes_to_the_page_and_its_keys_go_back(served):
    async def main() -> None:
        async with aiohttp.ClientSession() as browser:
            async with browser.get(served) as page:
                assert page.status == 200
                assert "no-store" in page.headers["Cache-Control"]
                assert page.headers["Referrer-Policy"] == "no-referrer"
                assert "Set-Cookie" not in page.headers
                assert not re.search(r"https?://(?!127\.0\.0\.1)", await page.text())
            at, headers = socket_of(served)
            async with browser.ws_connect(at, headers=headers) as socket:
                await text_of(socket, "SIMULATED")
                await socket.send_json(["stdin", "2"])
                await text_of(socket, "volume (nm3)")
                await socket.send_json(["resize", {"width": 80, "height": 24}])
                await socket.send_json(["stdin", "q"])
                await closed(socket, 20.0)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [
        ("/", "", 403),
        ("/?token=wrong", "", 403),
        ("/?token=%ff%fe", "", 403),
        ("/static/", "", 403),
        ("/static/%2e%2e/app_service.py", "", 404),
        ("/static/..%2f..%2fapp_service.py", "", 404),
        ("/download/any", "", 404),
        ("/ws", "HERE", 404),
        ("/ws/wrong", "HERE", 403),
        ("/ws/GOOD", "http://elsewhere.example", 403),
        ("/ws/GOOD", "http://127.0.0.1:9", 403),
        ("/ws/GOOD", "", 403),
    ],
)
def test_nobody_gets_in_without_the_token_nor_from_another_page(served, path, origin, status):
    here, token = served.split("/?token=")
    sent = {"Origin": origin.replace("HERE", here)} if origin else {}
    if path.startswith("/ws"):
        sent |= {"Upgrade": "websocket", "Connection": "Upgrade"}

    async def main() -> tuple[int, str]:
        asked = yarl.URL(here + path.replace("GOOD", token), encoded=True)
        async with aiohttp.ClientSession() as stranger, stranger.get(asked, headers=sent) as answer:
            return answer.status, await answer.text()

    found, words = asyncio.run(main())
    assert found == status
    assert token not in words


def test_only_so_many_pages_at_a_time_and_none_outlives_its_end(served, tmp_path):
    at, headers = socket_of(served)

    async def main() -> None:
        async with aiohttp.ClientSession() as browser:
            pages = [await browser.ws_connect(at, headers=headers) for _ in range(PAGES)]
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await browser.ws_connect(at, headers=headers)
            assert len(screens(tmp_path / "s")) <= PAGES
            for page in pages:
                await page.close()

    asyncio.run(main())
    assert gone(tmp_path / "s", within_s=20.0)


@pytest.mark.parametrize(
    "message",
    ['["stdin", 5]', "[" * 30000, "{}", '["resize", {"width": "x", "height": 3}]', '["resize", {"width": 9e9}]'],
)
def test_what_no_page_sends_closes_it_and_harms_nobody(served, tmp_path, message):
    at, headers = socket_of(served)

    async def main() -> int | None:
        async with aiohttp.ClientSession() as browser, browser.ws_connect(at, headers=headers) as socket:
            await socket.send_str(message)
            return await closed(socket, 20.0)

    assert asyncio.run(main()) == 1008
    assert gone(tmp_path / "s", within_s=20.0)


def test_a_screen_that_cannot_start_closes_its_page(served, tmp_path):
    at, headers = socket_of(served)
    shutil.rmtree(tmp_path / "s")

    async def main() -> None:
        async with aiohttp.ClientSession() as browser, browser.ws_connect(at, headers=headers) as socket:
            await closed(socket, 30.0)

    asyncio.run(main())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_with_the_server_its_screens_end_also_those_that_nobody_reads(session_file, tmp_path, recorded, number):
    session = recorded(session_file(), tmp_path / "s")
    with served_by(session.folder) as (process, address):
        at, headers = socket_of(address)

        async def main() -> None:
            async with (
                aiohttp.ClientSession() as browser,
                browser.ws_connect(at, headers=headers) as one,
                browser.ws_connect(at, headers=headers) as other,
            ):
                for socket in (one, other):
                    await text_of(socket, "SIMULATED")
                process.send_signal(number)
                until = time.monotonic() + 15.0
                while process.poll() is None:  # the pages read nothing in the meantime
                    assert time.monotonic() < until, "the server does not end"
                    await asyncio.sleep(0.1)

        asyncio.run(main())
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 0, signal.SIGKILL: -9}[number]
    assert gone(session.folder, within_s=10.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nowhere"], "no session is running in this folder"),
        (["SESSION", "--port", "70000"], "65535"),
        (["SESSION", "--host", "192.0.2.1", "--port", "0"], "cannot be listened at"),
    ],
)
def test_what_cannot_be_served_is_said(session_file, tmp_path, recorded, options, words):
    session = recorded(session_file(), tmp_path / "s")
    asked = [str(session.folder) if o == "SESSION" else o for o in options]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "controller.cli", "serve", *asked], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def of_slices(png: bytes) -> int:
    """Pixels in the first colour of viridis, which only slices have."""
    return int(np.all(np.abs(imageio.v3.imread(io.BytesIO(png)).astype(int)[..., :3] - (68, 1, 84)) < 8, axis=-1).sum())


@pytest.fixture
def home() -> Iterator[Path]:
    """Of a browser, whose sockets want short names."""
    with tempfile.TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@asynccontextmanager
async def chromium(home: Path) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A page of a browser, spoken to by its own protocol."""
    assert CHROMIUM is not None
    profile = home / "profile"
    browser = await asyncio.create_subprocess_exec(
        *(CHROMIUM, *HEADLESS, f"--user-data-dir={profile}", "about:blank"),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=os.environ | {name: str(home) for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR")},
    )
    try:
        told, until = profile / "DevToolsActivePort", time.monotonic() + 60.0
        while not (told.is_file() and "\n" in told.read_text()):
            assert browser.returncode is None, f"Chromium ended with {browser.returncode}"
            assert time.monotonic() < until, "Chromium does not start"
            await asyncio.sleep(0.1)
        port = told.read_text().split()[0]
        async with aiohttp.ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{port}/json/list") as answer:
                (page,) = [one for one in await answer.json() if one["type"] == "page"]
            async with client.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield socket
    finally:
        with suppress(ProcessLookupError):
            os.killpg(browser.pid, signal.SIGKILL)
        await browser.wait()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
def test_a_real_browser_shows_it_without_an_error_and_without_a_network(served, home):
    here = served.split("/?")[0]
    events: list[dict[str, Any]] = []

    async def main() -> tuple[bytes, bytes, str]:
        async with chromium(home) as page:
            number = 0

            async def ask(method: str, **params: Any) -> dict[str, Any]:
                nonlocal number
                number += 1
                await page.send_json({"id": number, "method": method, "params": params})
                while True:
                    said = await page.receive_json(timeout=60.0)
                    if said.get("id") == number:
                        assert "error" not in said, said
                        return said["result"]
                    events.append(said)

            async def value(expression: str) -> Any:
                return (await ask("Runtime.evaluate", expression=expression))["result"].get("value")

            async def picture() -> bytes:
                return base64.b64decode((await ask("Page.captureScreenshot", format="png"))["data"])

            async def drawn(*, slices: bool) -> bytes:
                async with asyncio.timeout(60.0):
                    while (of_slices(now := await picture()) > 1000) != slices:  # noqa: ASYNC110  # a picture is no event
                        await asyncio.sleep(0.3)
                return now

            for domain in ("Page", "Network", "Log", "Runtime"):
                await ask(f"{domain}.enable")
            await ask("Page.navigate", url=served)
            while not any(e["method"] == "Page.loadEventFired" for e in events):
                events.append(await page.receive_json(timeout=60.0))
            first = await drawn(slices=True)
            await value("document.querySelector('textarea').focus()")
            for kind in ("keyDown", "keyUp"):
                await ask("Input.dispatchKeyEvent", type=kind, key="4", text="4" if kind == "keyDown" else "")
            return first, await drawn(slices=False), await value("location.href")

    first, plan, shown_address = asyncio.run(main())
    if kept := os.environ.get("ALLOYSCOPE_PICTURES"):
        for name, image in (("browser-now", first), ("browser-plan", plan)):
            (Path(kept) / f"{name}.png").write_bytes(image)
    assert shown_address == served
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert len(asked) >= 3
    assert all(url.startswith((here, "data:", "about:")) for url in asked), asked
    wrong = [e for e in events if e["method"] == "Runtime.exceptionThrown"]
    wrong += [e for e in events if e["method"] == "Log.entryAdded" and e["params"]["entry"]["level"] == "error"]
    assert not wrong, json.dumps(wrong, indent=1)
