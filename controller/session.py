"""One session from folder to finish: opens everything, runs the plan in one TaskGroup, makes every device safe."""

from __future__ import annotations

import asyncio
import csv
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from analysis.results import Preview, Result, StateResult, summary
from controller import events as ev
from controller.acquire import Acquisition
from controller.engine import Engine, FinishReason, RunState
from controller.guard import Guard
from controller.guard_client import GuardClient
from controller.journal import Journal
from controller.ledger import Ledger
from controller.plan import Heat, Plan, Step, TiltSeries, WaitForResults
from controller.recorder import Recorder
from controller.session_file import SessionFile
from controller.streams import Streams
from drivers.clock import Clock, ScaledClock, SteppedClock, within
from drivers.errors import AlloyscopeError, InterlockTripped
from drivers.interfaces import Bench, HeaterReading, Microscope
from drivers.registry import connect_all, load

_READING_PERIOD_S = 0.5
_DRY_PERIOD_S = 0.1
_DRY_HEARTBEAT_LIMIT_S = 2.0
_ANALYSIS_LIVES = 5
_RESULT_LIMIT_S = 900.0
_ABORTED_RESULT_LIMIT_S = 30.0
_RAMP_LIMIT_S = 60.0


@dataclass
class Session:
    """A session file being run in a folder. `listeners` hear every event."""

    file: SessionFile
    source: Path
    folder: Path
    clock: Clock
    listeners: list[ev.Listener] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    ready: Callable[[dict[str, str]], None] = lambda _: None
    """Called with the endpoints once the sockets are open."""

    @property
    def dry(self) -> bool:
        return isinstance(self.clock, SteppedClock)

    async def run(self) -> FinishReason:
        """Run to the end; afterwards the devices are safe and the folder is complete.

        Raises
        ------
        AlloyscopeError
            What stopped the session, in a sentence; the recorded data are in the folder.
        """
        fresh = not self.folder.exists()
        (self.folder / "frames").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.source, self.folder / "session.toml")
        self._open()
        begun = False
        try:
            async with asyncio.TaskGroup() as tasks:
                endless = self._start_services(tasks)
                await connect_all([self.chip, self.microscope])
                begun = True
                self._begin()
                endless += self._start_watching(tasks)
                analysis = tasks.create_task(self._keep_analysing(), name="analysis")
                reason = await self._run_plan()
                with self.clock.working():
                    await analysis
                for task in endless:
                    task.cancel()
        except BaseExceptionGroup as group:
            error = _first(group)
            self._tell_end("failed", str(error))
            raise error from None
        except BaseException as error:
            self._tell_end("failed", str(error) or type(error).__name__)
            raise
        else:
            self._tell_end(reason.value, "")
            return reason
        finally:
            await self._close()
            if fresh and not begun:
                shutil.rmtree(self.folder, ignore_errors=True)

    def json(self) -> dict[str, Any]:
        """Results so far, in the form of every run."""
        from analysis.offline import software

        provenance = {"source": self.file.title, "kind": "dry-run" if self.dry else "run", "seed": self.file.seed}
        return summary(self.results, provenance | {"simulated": self.microscope.simulated} | software())

    async def command(self, name: str) -> str:
        """What a person asks from the screen or another process."""
        self.journal.write("command", command=name)
        match name:
            case "pause":
                return self.engine.pause()
            case "resume":
                return self.engine.resume()
            case "abort":
                return self.engine.abort("asked by the user")
            case "stop":
                await self._emergency_stop()
                return "emergency stop: the chip is off, the beam is blanked"
            case _:
                return f"unknown command {name!r}; there are pause, resume, abort and stop"

    def _open(self) -> None:
        self.events = ev.Events()
        for listener in self.listeners:
            self.events.listen(listener)
        self.journal = Journal(self.folder / "journal.jsonl", self.clock)
        self.recorder = Recorder(self.folder, self.clock)
        self.streams = Streams(self.recorder, self.events, self._take_result, self.command)
        self.engine = Engine(self.clock, self._on_state)
        self.plan = Plan(self.file)
        self.ledger = Ledger()
        self._reading: HeaterReading | None = None
        self._ended: set[str] = set()
        self._analysed: set[str] = set()
        self._all_analysed = asyncio.Event()
        self._analysis_lost = False
        self._stopped = ""
        steps = list(self.plan.steps())
        self._total_s = sum(s.estimate_s() for s in steps)
        self._steps, self._step_number, self._behind_s = steps, 0, 0.0
        bench = Bench(self.clock, self.file.seed, self.folder, self.source.parent)
        self.microscope: Microscope = load(
            "microscope", self.file.microscope.backend, bench, self.file.microscope.options
        )
        self.chip: Guard | GuardClient = self._guard(bench)
        self.acquisition = Acquisition(
            session=self.file.title,
            microscope=self.microscope,
            settings=self.file.scan.settings(),
            clock=self.clock,
            engine=self.engine,
            recorder=self.recorder,
            streams=self.streams,
            journal=self.journal,
            events=self.events,
            ledger=self.ledger,
            chip_temperature_c=lambda: None if self._reading is None else self._reading.temperature_c,
            on_tilt=self._on_tilt,
        )

    def _guard(self, bench: Bench) -> Guard | GuardClient:
        section = self.file.chip
        if isinstance(self.clock, ScaledClock):
            self._guard_folder = Path(tempfile.mkdtemp(prefix="alloyscope-guard-"))
            return GuardClient(
                {
                    "endpoint": f"ipc://{self._guard_folder}/guard",
                    "folder": str(self.folder.resolve()),
                    "origin": str(bench.origin.resolve()),
                    "backend": section.backend,
                    "options": section.options,
                    "limits": section.limits.model_dump(),
                    "seed": self.file.seed,
                    "speed": self.clock.speed,
                    "epoch": self.clock.epoch,
                }
            )
        self._guard_journal = Journal(self.folder / "guard.jsonl", self.clock)
        return Guard(
            load("chip", section.backend, bench, section.options),
            self.file.chip_limits(),
            self._guard_journal,
            self.clock,
            period_s=_DRY_PERIOD_S,
            heartbeat_limit_s=_DRY_HEARTBEAT_LIMIT_S,
        )

    def _start_services(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        services = [tasks.create_task(self.streams.serve(), name="desk")]
        if isinstance(self.chip, GuardClient):
            services.append(tasks.create_task(self.chip.serve(), name="guard client"))
        guard = {"guard": self.chip.endpoint} if isinstance(self.chip, GuardClient) else {}
        self.ready(self.streams.endpoints | guard)
        return services

    def _begin(self) -> None:
        simulated = self.microscope.simulated
        names = tuple(p.name for p in self.file.particles)
        self.journal.write("begin", session=self.file.title, seed=self.file.seed, simulated=simulated, particles=names)
        self.events.tell(ev.Started(self.file.title, str(self.folder), simulated, names, len(self._steps)))
        self.events.tell(ev.RunStateChanged(self.clock.now(), self.engine.state.value))

    def _start_watching(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        watching = [tasks.create_task(self._follow_temperature(), name="temperature")]
        if isinstance(self.chip, Guard):
            watching.append(tasks.create_task(self.chip.watch(), name="guard"))
        return watching

    async def _run_plan(self) -> FinishReason:
        reason = await self.engine.run(self.plan, self._execute, self._on_step)
        self.streams.closed = True
        if not self._analysed >= self._ended:
            self._log("info", "acquisition is over; waiting for the analysis")
        if reason is FinishReason.COMPLETED:
            await self._wait_for_results(_RESULT_LIMIT_S)
        else:
            await self._wait_for_results(_ABORTED_RESULT_LIMIT_S)
            if self._stopped:
                raise InterlockTripped(self._stopped)
        return reason

    async def _execute(self, step: Step) -> None:
        match step:
            case Heat():
                await self._heat(step)
            case TiltSeries():
                try:
                    await self.acquisition.tilt_series(step)
                finally:
                    if (self.folder / "frames" / (step.id.replace("/", "_") + ".h5")).exists():
                        self._ended.add(step.id)
                        self._note_analysed()
            case WaitForResults():
                await self.engine.wait_for(self._all_analysed)

    async def _heat(self, step: Heat) -> None:
        """Ramp, hold, quench; what really happened is booked whatever ends it."""
        self.journal.write("heat", step=step.id, target_c=step.temperature_c, duration_s=step.duration_s)
        ramp_s = abs(step.temperature_c - 25.0) / step.rate_c_per_s
        reached_s: float | None = None
        try:
            ramp = self.chip.ramp_to(step.temperature_c, step.rate_c_per_s)
            await within(self.clock, ramp_s + _RAMP_LIMIT_S, "chip", f"reach {step.temperature_c:g} C", ramp)
            reached_s = self.clock.now()
            await self.engine.hold(step.duration_s)
        finally:
            await self.chip.quench()
            held_s = 0.0 if reached_s is None else round(self.clock.now() - reached_s, 3)
            self.ledger.book_heat(step.temperature_c, held_s)
            self.journal.write("heated", step=step.id, temperature_c=step.temperature_c, duration_s=held_s)
            self._log("info", f"heated to {step.temperature_c:g} C for {held_s:g} s, quenched")
        await self.engine.hold(1.0)

    async def _follow_temperature(self) -> None:
        while not self._stopped:
            if isinstance(self.chip, Guard):
                self.chip.beat()
            self._reading = reading = await self.chip.read()
            event = ev.Reading(self.clock.now(), reading.temperature_c, reading.setpoint_c, reading.power_mw)
            self.events.tell(event)
            await self.clock.sleep(_READING_PERIOD_S)

    async def _keep_analysing(self) -> None:
        """Run the analysis process, and run it again when it dies: the stream tells it everything anew."""
        for life in range(_ANALYSIS_LIVES):
            code = await self._analyse_once()
            if self.streams.closed and (code == 0 or self._analysed >= self._ended):
                return
            self._log("warning", f"the analysis process ended (code {code}); started again ({life + 1})")
        self._analysis_lost = True
        self._all_analysed.set()
        self._log("error", "the analysis keeps failing, see analysis.log; frames go on being recorded")

    async def _analyse_once(self) -> int:
        with (self.folder / "analysis.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "analysis.worker"),
                *("--frames", self.streams.endpoints["frames"], "--desk", self.streams.endpoints["desk"]),
                *("--seed", str(self.file.seed), "--volumes", str(self.folder / "volumes")),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.journal.write("analysis", pid=process.pid)
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _wait_for_results(self, limit_s: float) -> None:
        """The one place where a finished plan waits for the analysis; the limit is real time without a new result."""
        with self.clock.working():
            until = time.monotonic() + limit_s
            while not (self._analysed >= self._ended or self._analysis_lost):
                before = len(self._analysed)
                try:
                    async with asyncio.timeout(until - time.monotonic()):
                        await self._all_analysed.wait()
                except TimeoutError:
                    self._log("error", "the analysis did not finish; run alloyscope analyse on the session folder")
                    return
                if len(self._analysed) > before:
                    until = time.monotonic() + limit_s

    def _take_result(self, result: Result) -> None:
        if not isinstance(result, Preview):
            key = (type(result), getattr(result, "step", None) or (result.particle, getattr(result, "states", 0)))
            if key in self._seen_results:
                return
            self._seen_results.add(key)
            self.results.append(result)
            with (self.folder / "results.jsonl").open("ab") as file:
                file.write(msgspec.json.encode(result) + b"\n")
        self.events.tell(ev.Told(result))
        if isinstance(result, StateResult):
            self._analysed.add(result.step)
            _write_csv(self.folder / "results.csv", self.results)
            self._note_analysed()

    def _note_analysed(self) -> None:
        if self._analysed >= self._ended:
            self._all_analysed.set()
        elif not self._analysis_lost:
            self._all_analysed.clear()

    async def _emergency_stop(self) -> None:
        self._stopped = "emergency stop"
        outcomes = await asyncio.gather(self.chip.emergency_stop(), self.microscope.make_safe(), return_exceptions=True)
        self.engine.abort("emergency stop")
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                self._log("error", f"emergency stop: {outcome}")

    def _on_state(self, state: RunState, reason: str) -> None:
        self.journal.write("state", state=state.value, reason=reason)
        self.events.tell(ev.RunStateChanged(self.clock.now(), state.value, reason))

    def _on_step(self, step: Step) -> None:
        if self._step_number:
            self._behind_s += self._steps[self._step_number - 1].estimate_s()
        self._step_number += 1
        self._tell_progress(step, 0, 0, None)

    def _on_tilt(self, step: TiltSeries, done: int, total: int, tilt_deg: float) -> None:
        self._tell_progress(step, done, total, tilt_deg)

    def _tell_progress(self, step: Step, part: int, parts: int, tilt_deg: float | None) -> None:
        done_s = self._behind_s + (step.estimate_s() * part / parts if parts else 0.0)
        left_s = max(0.0, self._total_s - done_s)
        self.events.tell(
            ev.Progress(self.clock.now(), step.id, self._step_number, len(self._steps), part, parts, left_s, tilt_deg)
        )

    def _log(self, level: str, text: str) -> None:
        self.events.tell(ev.Log(self.clock.now(), level, text))

    def _tell_end(self, reason: str, message: str) -> None:
        self.journal.write("end", reason=reason, message=message, dose_e_per_nm2=self.ledger.dose_e_per_nm2)
        self.events.tell(ev.Finished(reason, message, str(self.folder)))

    async def _close(self) -> None:
        """Make everything safe and close it; one failure never keeps the others from being tried."""
        jobs: list[Awaitable[None]] = [self.microscope.make_safe(), self.chip.close(), self.recorder.close()]
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                self.journal.write("close_failed", message=str(outcome))
        await self.microscope.close()
        if isinstance(self.clock, ScaledClock):
            shutil.rmtree(self._guard_folder, ignore_errors=True)
        else:
            self._guard_journal.close()
        self.streams.close()
        self.journal.close()

    def __post_init__(self) -> None:
        self._seen_results: set[object] = set()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What stopped the session: an interlock before anything else, then any error we can explain."""
    leaves: list[BaseException] = []

    def collect(error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                collect(inner)
        else:
            leaves.append(error)

    collect(group)
    ranked = sorted(leaves, key=lambda e: (not isinstance(e, InterlockTripped), not isinstance(e, AlloyscopeError)))
    return ranked[0]


def _write_csv(path: Path, results: list[Result]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            [
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
        )
        for r in results:
            if isinstance(r, StateResult):
                value, std = (r.alloying.value, r.alloying.std) if r.alloying else ("", "")
                table.writerow(
                    [r.particle, r.step, r.heated_s, value, std, r.volume_nm3, r.gold_fraction, r.frames, r.quality]
                )
