"""The analysis processes of a session: kept running, their results collected, waited for where the plan says so."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from contextlib import suppress

from analysis.files.volume_file import write_volume
from analysis.live.settings import AnalysisSettings
from analysis.results import AnyResult, Arrhenius, EdxResult, to_line
from analysis.results.summary import write_csv
from analysis.tomography.projector import Volume
from controller import events as ev
from controller.stream.shares import Shares
from drivers.clock import Clock
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal
from drivers.recorded.records import AnalysisStarted

_LIVES = 5
_LOOK_EVERY_S = 2.0
_NICENESS = 10


class LiveAnalysis:
    """Starts ``analysis.live.worker`` again whenever it dies; a new one asks the stream for everything anew.

    Parameters
    ----------
    workers : processes on this computer, which share the particles
    shared : whether analyses on other computers may join them
    """

    def __init__(
        self,
        folder: SessionFolder,
        settings: AnalysisSettings,
        clock: Clock,
        journal: Journal,
        events: ev.Events,
        results: list[AnyResult],
        *,
        dry: bool,
        workers: int = 1,
        shared: bool = False,
    ) -> None:
        self.complete = asyncio.Event()
        """Set while every finished tilt series has its result."""
        self.results = results
        self.token = secrets.token_hex(16)
        """By which results of the analysis are told from anybody else's."""
        self.settings = settings
        self.shares = Shares(lambda words: self._log("info", words))
        self._shared = shared
        self._names = [f"here {n}" for n in range(1, workers + 1)] if shared or workers > 1 else [""]
        self._folder = folder
        self._clock, self._journal, self._events = clock, journal, events
        self._dry = dry
        self._expected: set[str] = set()
        self._analysed: set[str] = set()
        self._seen: set[object] = set()
        self._known: dict[str, tuple[int, float]] = {}
        self._map_grown = asyncio.Event()
        self._got_further = asyncio.Event()
        self._law_after = 0
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

    def take(self, result: AnyResult, after: int = 0) -> None:
        """A result has arrived; one given again by a restarted worker is passed over.

        So is a law of all particles that knows less, having been on its way for longer, than the last one.
        """
        if isinstance(result, Arrhenius):
            if after < self._law_after:
                return
            self._law_after = after
        if isinstance(result, EdxResult):
            self._known[result.step] = result.frames, result.known_at_pct
            self._map_grown.set()
        if not result.passing:
            if result.identity in self._seen:
                return
            line = to_line(result)  # what cannot be written is no result
            self._seen.add(result.identity)
            self.results.append(result)
            with self._folder.results.open("ab") as file:
                file.write(line)
        self._events.tell(ev.ResultReceived(result))
        if result.finished_step is not None:
            self._analysed.add(result.finished_step)
            write_csv(self._folder.results_table, self.results)
            self._got_further.set()
            self._note()

    async def take_volume(self, step: str, volume: Volume, voxel_nm: float) -> None:
        """A reconstruction of another computer's; raises `ValueError` for a step that nobody recorded."""
        if step not in self._expected and not self._folder.step_file(step).exists():
            raise ValueError(f"{step!r} is no step that was recorded")
        self._folder.volumes.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(write_volume, self._folder.volume(step), volume, voxel_nm)

    async def keep_running(self, endpoints: dict[str, str]) -> None:
        """Run the analysis until the stream is closed and everything is analysed, or nobody is left to do it."""
        for name in self._names:
            self.shares.begin(name)
        async with asyncio.TaskGroup() as tasks:
            for name in self._names:
                tasks.create_task(self._keep_one(endpoints, name), name=f"analysis {name}")
        # All that were here have done their work, or are given up; those elsewhere may go on, and may be lost, too.
        while self._shared and not (self._over and (self.is_complete or self._lost)):
            self._see_who_is_left()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _keep_one(self, endpoints: dict[str, str], name: str) -> None:
        which = f"the analysis process {name}".rstrip()
        for life in range(_LIVES):
            code = await self._run_once(endpoints, name)
            if self._over and (code == 0 or self.is_complete):
                return
            self._log("warning", f"{which} ended (code {code}); started again ({life + 1})")
        self.shares.end(name)
        if self.shares.anybody:
            self._log("error", f"{which} keeps failing, see analysis.log; others do its part")
        self._see_who_is_left()

    def _see_who_is_left(self) -> None:
        """Nobody is waited for where nobody analyses; whoever joins later is."""
        lost, self._lost = self._lost, not self.shares.anybody
        if self._lost and not lost:
            self._got_further.set()
            self._map_grown.set()
            self._log("error", "the analysis keeps failing, see analysis.log; frames go on being recorded")
        self._note()

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

    async def behind_at_most(self, recordings: int, limit_s: float) -> bool:
        """Wait, for so long of real time at most, until no more recordings than that have no result; whether it is so.

        Nothing is behind an analysis that keeps failing.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not self._lost and len(self.missing) > recordings:
                    self._got_further.clear()
                    await self._got_further.wait()
        return self._lost or len(self.missing) <= recordings

    async def known_at_pct(self, step: str, frames: int) -> float | None:
        """How well a map's composition is known, by the newest of its results; None when there is none yet.

        Live nothing is waited for, since the beam is on. A dry run waits until so many frames have been looked at, and
        so always ends a map with the same one.
        """
        with self._clock.working():
            while self._dry and not self._lost and self._known.get(step, (0, 0.0))[0] < frames:
                self._map_grown.clear()
                await self._map_grown.wait()
        return self._known[step][1] if step in self._known else None

    @property
    def is_complete(self) -> bool:
        return self._analysed >= self._expected

    @property
    def missing(self) -> list[str]:
        """Tilt series that have no result yet."""
        return sorted(self._expected - self._analysed)

    async def _run_once(self, endpoints: dict[str, str], name: str) -> int:
        with self._folder.analysis_log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "analysis.live.worker"),
                *("--frames", endpoints["frames"], "--requests", endpoints["requests"]),
                *("--settings", self.settings.model_dump_json(), "--folder", str(self._folder.path)),
                *("--name", name),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        assert process.stdin is not None, "asked for"
        with suppress(OSError):  # it has died already
            process.stdin.write(f"{self.token}\n".encode())
            process.stdin.close()
        with suppress(AttributeError, OSError):  # heartbeats and readings of the chip come first on a busy computer
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        self._journal.write(AnalysisStarted(pid=process.pid))
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
