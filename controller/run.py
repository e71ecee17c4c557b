"""Run a session in this process, with lines instead of a screen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from controller.attach import ENDPOINTS_FILE
from controller.console import Console, final_lines
from controller.session import Session
from controller.session_file import SessionFile
from drivers.clock import Clock, SteppedClock


def run_session(file: SessionFile, source: Path, folder: Path, clock: Clock) -> dict[str, Any]:
    """Run to the end and return the JSON summary; raises what stopped it."""
    console = Console()
    session = Session(file, source, folder, clock, [console.hear])
    endpoints_path = folder / ENDPOINTS_FILE

    def announce(endpoints: dict[str, str]) -> None:
        endpoints_path.write_text(json.dumps(endpoints | {"pid": os.getpid()}))

    session.ready = announce

    async def main() -> None:
        loop = asyncio.get_running_loop()
        # SIGTERM ends a session as abort does: quenched, blanked, everything recorded kept.
        loop.add_signal_handler(signal.SIGTERM, lambda: session.engine.abort("terminated"))
        await session.run()

    try:
        if isinstance(clock, SteppedClock):
            clock.run(main())
        else:
            asyncio.run(main())
    finally:
        endpoints_path.unlink(missing_ok=True)
        for line in final_lines(session.results, folder):
            print(line, flush=True)
    return session.json()
