"""The analysis process of a session: kept running, its results collected, waited for where the plan says so."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from analysis.results import DiffusivityResult, EdxResult, ImageResult, Result, StateResult, passing
from controller import events as ev
from controller.journal import Journal
from controller.session_file import SessionFile
from drivers.clock import Clock

_LIVES = 5
_NICENESS = 10


class LiveAnalysis:
    """Starts ``python -m analysis.worker`` again whenever it dies; a new one asks the stream for everything anew."""

    def __init__(
        self,
        folder: Path,
        file: SessionFile,
        clock: Clock,
        journal: Journal,
        events: ev.Events,
        results: list[Result],
        *,
        dry: bool,
    ) -> None:
        self.complete = asyncio.Event()
        """Set while every finished tilt series has its result."""
        self.results = results
        self._folder, self._file = folder, file
        self._clock, self._journal, self._events = clock, journal, events
        self._dry = dry
        self._expected: set[str] = set()
        self._analysed: set[str] = set()
        self._seen: set[object] = set()
        self._known: dict[str, tuple[int, float]] = {}
        self._map_told = asyncio.Event()
        self._lost = False
        self._over = False
        self._note()

    def expect(self, step: str) -> None:
        """A tilt series or an image has been recorded; its result is to come."""
        self._expected.add(step)
        self._note()

    def no_more(self) -> None:
        """The stream is closed: a worker that ends now is not started again."""
        self._over = True

    def take(self, result: Result) -> None:
        """A result has arrived; one told again by a restarted worker is passed over."""
        if isinstance(result, EdxResult):
            self._known[result.step] = result.frames, result.known_at_pct
            self._map_told.set()
        if not passing(result):
            of = _what(result)
            if of in self._seen:
                return
            self._seen.add(of)
            self.results.append(result)
            with (self._folder / "results.jsonl").open("ab") as file:
                file.write(msgspec.json.encode(result) + b"\n")
        self._events.tell(ev.Told(result))
        if isinstance(result, StateResult | ImageResult | EdxResult) and not passing(result):
            self._analysed.add(result.step)
            write_csv(self._folder / "results.csv", self.results)
            self._note()

    async def keep_running(self, endpoints: dict[str, str]) -> None:
        """Run the analysis until the stream is closed and everything is analysed."""
        for life in range(_LIVES):
            code = await self._run_once(endpoints)
            if self._over and (code == 0 or self.is_complete):
                return
            self._log("warning", f"the analysis process ended (code {code}); started again ({life + 1})")
        self._lost = True
        self.complete.set()
        self._map_told.set()
        self._log("error", "the analysis keeps failing, see analysis.log; frames go on being recorded")

    async def wait(self, limit_s: float) -> None:
        """Wait for what is still to come, the clock standing still; the limit is real time without a new result."""
        with self._clock.working():
            until = time.monotonic() + limit_s
            while not (self.is_complete or self._lost):
                before = len(self._analysed)
                try:
                    async with asyncio.timeout(until - time.monotonic()):
                        await self.complete.wait()
                except TimeoutError:
                    if len(self._analysed) == before:
                        self._log("error", "the analysis did not finish; run alloyscope analyse on the session folder")
                        return
                    until = time.monotonic() + limit_s

    async def known_at_pct(self, step: str, frames: int) -> float | None:
        """How well a map's composition is known, by the newest of its results; None when there is none yet.

        Live nothing is waited for, since the beam is on. A dry run waits until so many frames have been looked at, and
        so always ends a map with the same one.
        """
        with self._clock.working():
            while self._dry and not self._lost and self._known.get(step, (0, 0.0))[0] < frames:
                self._map_told.clear()
                await self._map_told.wait()
        return self._known[step][1] if step in self._known else None

    @property
    def is_complete(self) -> bool:
        return self._analysed >= self._expected

    @property
    def missing(self) -> list[str]:
        """Tilt series that have no result yet."""
        return sorted(self._expected - self._analysed)

    async def _run_once(self, endpoints: dict[str, str]) -> int:
        known = self._file.arrhenius
        with (self._folder / "analysis.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "analysis.worker"),
                *("--frames", endpoints["frames"], "--desk", endpoints["desk"]),
                *("--seed", str(self._file.seed), "--volumes", str(self._folder / "volumes")),
                *(() if known is None else ("--activation", known.model_dump_json())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        with suppress(AttributeError, OSError):  # heartbeats and readings of the chip come first on a busy computer
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        self._journal.write("analysis", pid=process.pid)
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _note(self) -> None:
        if self.is_complete or self._lost:
            self.complete.set()
        else:
            self.complete.clear()

    def _log(self, level: str, text: str) -> None:
        self._events.tell(ev.Log(self._clock.now(), level, text))


def _what(result: Result) -> object:
    """By which a result is known again."""
    match result:
        case StateResult() | ImageResult() | EdxResult():
            return result.step
        case DiffusivityResult():
            return result.particle, result.states
        case _:
            return repr(result)


def write_csv(path: Path, results: list[Result]) -> None:
    """``results.csv``: one line per tilt series."""
    names = [
        "particle",
        "step",
        "heated_s",
        "alloying",
        "alloying_std",
        "volume_nm3",
        "gold_fraction",
        "frames",
        "quality",
    ]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(names)
        for r in results:
            if isinstance(r, StateResult):
                value, std = (r.alloying.value, r.alloying.std) if r.alloying else ("", "")
                row = [r.particle, r.step, r.heated_s, value, std, r.volume_nm3, r.gold_fraction, r.frames, r.quality]
                table.writerow(row)
