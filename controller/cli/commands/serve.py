"""``alloyscope serve``."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from controller.cli.options import Endpoint, KeyPath
from drivers.errors import ConfigError


def serve(
    endpoint: Endpoint,
    host: Annotated[str, typer.Option("--host", help="address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 is any that is free")] = 8000,
    key: KeyPath = None,
) -> None:
    """The screen of a session in a browser, for who has the address that is printed; Ctrl-C ends the pages alone."""
    try:
        from controller.browser.served_screen import ServedScreen, screen_of
    except ImportError as error:
        words = "takes textual-serve, which is not installed: pip install 'alloyscope[web]'"
        raise ConfigError("serve", [words]) from error
    from controller.cli.sources import source_of

    source_of(endpoint, key)  # what cannot be watched is said here, and not on a page
    served = ServedScreen(screen_of(endpoint, key), host, port, f"Alloyscope: {endpoint}")

    def tell(address: str) -> None:
        print(f"{endpoint} is shown at {address}", flush=True)
        if served.warning:
            print(served.warning, file=sys.stderr)

    asyncio.run(served.serve_until_told(tell))
