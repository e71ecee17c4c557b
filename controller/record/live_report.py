"""The report of a session that still runs: made by a process of its own, anew whenever there is something new."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from drivers.recorded.folder import SessionFolder

_NICENESS = 19
"""All else comes first."""
_LAST_WORDS = 300
_LEAVES_WITHIN_S = 2.0


class LiveReport:
    """Asked for any number of times while one is made, it is made once more."""

    def __init__(self, folder: SessionFolder, log: Callable[[str, str], None]) -> None:
        """`log` takes a level and words."""
        self._folder, self._log = folder, log
        self._wanted = asyncio.Event()
        self._told = False
        """Whether a person waits for it."""
        self._failed = ""
        """Why there is none, by the last try."""

    def ask(self, *, by_a_person: bool = False) -> str:
        """Have it made; gives words that say where it will be."""
        self._told |= by_a_person
        self._wanted.set()
        return f"the report is being made: {self._folder.path / 'report' / 'report.html'}"

    async def keep(self) -> None:
        """Make it whenever it was asked for, until cancelled; a process that runs then is ended."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            told, self._told = self._told, False
            failed = await self._made()
            if failed and (told or failed != self._failed):
                # Nobody is roused for a page that nobody asked for.
                self._log("warning" if told else "info", f"no report: {failed}")
            elif told:
                self._log("info", f"the report is there: {self._folder.path / 'report' / 'report.html'}")
            self._failed = failed

    async def _made(self) -> str:
        """Why it could not be; empty where it was."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "controller.cli", "report", "--", str(self._folder.path)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:  # no memory, no process left: never a reason to end a session
            return str(error)
        with suppress(AttributeError, OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        try:
            _, words = await process.communicate()
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)  # it clears away what it has half made
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LEAVES_WITHIN_S):
                        await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
        return "" if process.returncode == 0 else words.decode(errors="replace").strip()[-_LAST_WORDS:]
