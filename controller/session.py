"""One session from folder to finish: opens everything, runs the plan in one TaskGroup, makes every device safe."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, assert_never

import numpy as np

from analysis.diffusion.time_at_temperature import USUAL_Q_J_PER_MOL
from analysis.live.settings import AnalysisSettings
from analysis.particles.target import warm_up
from analysis.results import AnyResult, DiffusivityResult
from analysis.results.summary import summary
from controller import events as ev
from controller.acquire.acquisition import Acquisition
from controller.acquire.beam import Beam
from controller.acquire.centring import Centring
from controller.acquire.edx_maps import EdxMaps
from controller.acquire.frames import Frames
from controller.acquire.survey import Survey
from controller.engine import Aborted, Engine, FinishReason, RunState
from controller.guard.instruments import Instruments
from controller.heat.heating import Heating
from controller.heat.steered_heating import SteeredHeating
from controller.plan.check import check_heat
from controller.plan.dose import Dose
from controller.plan.recordings import EdxMap, Image, Recording, TiltSeries
from controller.plan.running_plan import AMENDING, REFUSED, RunningPlan
from controller.plan.session_file import SessionFile
from controller.plan.steps import Heat, Plan, Steer, Step, WaitForResults
from controller.progress import Progress
from controller.record.audit import audit, in_words
from controller.record.ledger import Ledger
from controller.record.live_report import LiveReport
from controller.record.notes import NOTE, take_note
from controller.record.past import Past
from controller.record.recorder import Recorder
from controller.resumption import begin_again, book_left_on, take_up
from controller.stream.door import Door
from controller.stream.live_analysis import LiveAnalysis
from controller.stream.streams import Streams
from drivers.clock import Clock, ScaledClock, SteppedClock, utc_now
from drivers.errors import AlloyscopeError, InterlockTripped, RecordingError, first_of, in_a_sentence
from drivers.interfaces import HeaterReading
from drivers.recorded.chip_readings import readings_of_chip
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal
from drivers.recorded.records import (
    Begin,
    CloseFailed,
    CommandAsked,
    End,
    Exposed,
    StateChanged,
    StepDone,
)

_READING_PERIOD_S = 0.5
_TOLD_EVERY_S = 1.0
"""Of real time, while the clock stands still."""
_RESULT_LIMIT_S = 900.0
_ABORTED_RESULT_LIMIT_S = 30.0


@dataclass
class Session:
    """A session file being run in a folder. `listeners` hear every event."""

    file: SessionFile
    source: Path
    folder: SessionFolder
    clock: Clock
    listeners: list[ev.Listener] = field(default_factory=list)
    results: list[AnyResult] = field(default_factory=list)
    ready: Callable[[dict[str, str]], None] = lambda _: None
    """Called with the endpoints once the sockets are open."""
    door: Door | None = None
    """To the network."""
    past: Past | None = None
    """What the folder's session has been through already, where one goes on."""
    pace: int | None = None
    """States that the analysis may be behind before a step waits for it; None waits for nothing."""

    @property
    def _looks(self) -> bool:
        """Whether particles are looked for."""
        return self.file.tracking.on or self.file.survey is not None or self.file.edx is not None

    @property
    def origin(self) -> Path:
        """Folder that relative paths in the session file start from."""
        return self.source.parent if self.past is None else Path(self.past.begin.origin)

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
        fresh = not self.folder.path.exists()
        self.folder.frames.mkdir(parents=True, exist_ok=True)
        if self.past is None:
            shutil.copyfile(self.source, self.folder.session_file)
        self._open()
        begun = False
        try:
            async with asyncio.TaskGroup() as tasks:
                endless = self._start_services(tasks)
                if self._looks:
                    with self.clock.working():
                        await asyncio.to_thread(warm_up)
                try:
                    await self.engine.unless_aborted(self.instruments.connect())
                except Aborted:
                    words = "told to end while the instruments were being connected; nothing had begun"
                    raise AlloyscopeError(words) from None
                begun = True
                await self._begin()
                endless += self._start_watching(tasks)
                analysis = tasks.create_task(self.analysis.keep_running(self.streams.endpoints), name="analysis")
                reason = await self._run_plan()
                if not self.analysis.is_complete:
                    analysis.cancel()
                with self.clock.working():
                    await asyncio.wait([analysis])
                await self._audit()
                for task in endless:
                    task.cancel()
        except BaseExceptionGroup as group:
            error = in_a_sentence(first_of(group), self.folder.error_log)
            self._tell_end("failed", str(error))
            raise error from error.__cause__
        except BaseException as error:
            self._tell_end("failed", str(error) or type(error).__name__)
            raise
        else:
            self._tell_end(reason.value, "")
        finally:
            failures = await self._close()
            if fresh and not begun:
                shutil.rmtree(self.folder.path, ignore_errors=True)
        if failures:
            raise AlloyscopeError(f"the session has ended ({reason.value}), but not well: {'; '.join(failures)}")
        return reason

    def json(self) -> dict[str, Any]:
        """Results so far, in the form of every run."""
        from analysis.reanalysis.offline import software

        provenance = {"source": self.file.title, "kind": "dry-run" if self.dry else "run", "seed": self.file.seed}
        ledger = self.ledger.of(p.name for p in self.file.particles)
        told = summary(self.results, provenance | {"simulated": self.instruments.microscope.simulated} | software())
        return told | {"ledger": ledger}

    async def command(self, name: str) -> str:
        """What a person asks from the screen or another process."""
        if name.startswith(NOTE):
            return take_note(name, self.journal, self._log)
        if name.startswith(AMENDING):
            return self._amend(name)
        with suppress(RecordingError):  # on a full disk an emergency stop must work, too
            self.journal.write(CommandAsked(command=name))
        match name:
            case "pause":
                return self.engine.pause()
            case "resume":
                return self.engine.resume()
            case "abort":
                return self.engine.abort("asked by the user")
            case "stop":
                return await self._emergency_stop()
            case "report":
                return self.report.ask(by_a_person=True)
            case _:
                words = "pause, resume, abort, stop, skip, unskip, change, repeat, report and note"
                return f"unknown command {name!r}; there are {words}"

    def _amend(self, command: str) -> str:
        """Of the plan that is left: held against the limits, journaled, then done."""
        if self.engine.state in (RunState.DONE, RunState.FAILED):
            return f"{REFUSED}the plan is over; {command.split()[0]} needs a session that runs"
        try:
            amended = self.amendable.asked(command)
        except AlloyscopeError as error:
            return f"{REFUSED}{'; '.join(getattr(error, 'sentences', [str(error)]))}"
        for one in amended:
            self.journal.write(one)
        words = "; ".join(self.amendable.amend(one) for one in amended)
        self._log("info", f"asked by a person: {words}")
        self.progress.tell_plan()
        return words

    def _open(self) -> None:
        file = self.file
        self.events = ev.Events()
        for listener in self.listeners:
            self.events.listen(listener)
        if file.report and not self.dry:
            self.events.listen(self._refresh_report)
        self.journal = Journal(self.folder.journal, self.clock)
        self.plan = Plan(file)
        begun = frozenset[str]() if self.past is None else self.past.begun
        self.amendable = RunningPlan(self.plan, lambda *asked: check_heat(file, self.origin, *asked), begun)
        for amended in () if self.past is None else self.past.amended:
            self.amendable.amend(amended)
        if self.past is not None:
            book_left_on(self.past, self.journal)
        self.report = LiveReport(self.folder, self._log)
        self.recorder = Recorder(
            self.folder,
            self.clock,
            {} if self.past is None else self.past.steps,
            planned=sum(step.planned for step in self.plan.steps() if isinstance(step, Recording)),
            warn=lambda words: self._log("warning", words),
        )
        settings = AnalysisSettings(
            seed=file.seed, activation=file.arrhenius, uncertainty=file.uncertainty, picture_px=ev.PICTURE_PX
        )
        self.analysis = LiveAnalysis(
            self.folder,
            settings,
            self.clock,
            self.journal,
            self.events,
            self.results,
            dry=self.dry,
            workers=file.analysis.workers,
            shared=self.door is not None and self.door.for_analyses,
        )
        self.streams = Streams(self.recorder, self.events, self.analysis, self.command, self.door)
        self.engine = Engine(self.clock, self._on_state)
        self.ledger = Ledger(lambda p, dose: self.journal.write(Exposed(particle=p, electrons_per_nm2=dose)))
        self._reading: HeaterReading | None = None
        self._stopped = ""
        self.progress = Progress(self.amendable, self.clock, self.events, self.ledger)
        self.instruments = Instruments(file, self.folder, self.origin, self.clock)
        self.acquisition = self._acquisition()
        self.instruments.on_dark = self._on_dark
        self.instruments.in_flight_s = self.acquisition.beam.in_flight_s
        self.heating = Heating(
            chip=self.instruments.chip,
            section=file.chip,
            clock=self.clock,
            engine=self.engine,
            ledger=self.ledger,
            journal=self.journal,
            log=self._log,
            q_j_per_mol=USUAL_Q_J_PER_MOL if file.arrhenius is None else file.arrhenius.q_j_per_mol,
        )
        self.steered = SteeredHeating(
            plan=self.plan,
            clock=self.clock,
            engine=self.engine,
            analysis=self.analysis,
            journal=self.journal,
            results=self.results,
            ledger=self.ledger,
            log=self._log,
            do=self._execute,
            given=frozenset() if self.past is None else self.past.begun,
        )
        if self.past is not None:
            self.folder.results.unlink(missing_ok=True)  # found anew from what is recorded
            take_up(self.past, file, self.streams, self.ledger, self.analysis, self.acquisition.beam)

    def _acquisition(self) -> Acquisition:
        file, instruments = self.file, self.instruments
        places_nm = {p.name: np.array([p.y_nm, p.x_nm]) for p in file.particles if not p.choose}
        beam = Beam(
            instruments.microscope,
            self.clock,
            self.engine,
            self.ledger,
            settings=file.scan.settings(),
            dose=Dose(file),
            places_nm=places_nm,
            stage=file.stage,
            note=self.journal.write,
            warn=lambda words: self._log("warning", words),
        )
        centring = Centring(beam, file.tracking, self.journal)
        survey = Survey(beam, file.survey, file.particles, centring.targets, self.recorder, self.journal, log=self._log)
        frames = Frames(
            session=file.title,
            microscope=instruments.microscope,
            clock=self.clock,
            edx=file.edx,
            recorder=self.recorder,
            journal=self.journal,
            streams=self.streams,
            events=self.events,
            ledger=self.ledger,
            warn=lambda words: self._log("warning", words),
            scan=file.scan.settings(),
            chip_temperature_c=lambda: None if self._reading is None else self._reading.temperature_c,
        )
        maps = None
        if instruments.edx is not None and file.edx is not None:
            maps = EdxMaps(beam, instruments.edx, file.edx, self.analysis.known_at_pct)
        return Acquisition(beam, survey, centring, frames, maps, self.progress.on_tilt)

    def _start_services(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        chip = self.instruments.chip
        self.streams.endpoints |= chip.endpoints
        self.ready(self.streams.endpoints)
        return [
            tasks.create_task(self.streams.serve(), name="requests"),
            tasks.create_task(chip.serve(), name="chip"),
        ]

    async def _begin(self) -> None:
        file = self.file
        simulated = self.instruments.microscope.simulated
        names = tuple(p.name for p in file.particles)
        if self.past is None:
            known = None if file.arrhenius is None else file.arrhenius.model_dump()
            metals = (metal for p in file.particles for metal in (p.core, p.shell) if metal)
            begin = Begin(
                session=file.title,
                seed=file.seed,
                simulated=simulated,
                particles=names,
                activation=known,
                uncertainty=file.uncertainty.model_dump(),
                dry=self.dry,
                origin=str(self.origin.resolve()),
                utc=utc_now(),
                microscope=file.microscope.backend,
                elements=tuple(dict.fromkeys(metals)),
            )
            self.journal.write(begin)
        else:
            begin = self.past.begin
            await begin_again(self.past, self.instruments, self.journal, self._log, tracked=file.tracking.on)
        await self.recorder.begin(begin)
        real_time = isinstance(self.clock, ScaledClock) and self.clock.speed == 1.0
        dose = Dose(file).by_particle()
        self.events.tell(
            ev.Started(file.title, str(self.folder.path), simulated, names, self.progress.planned, dose, real_time)
        )
        self.progress.tell_plan()
        self.events.tell(ev.RunStateChanged(self.clock.now(), self.engine.state.value))

    def _start_watching(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        return [
            tasks.create_task(self._follow_temperature(), name="temperature"),
            tasks.create_task(self.instruments.chip.watch(), name="guard"),
            tasks.create_task(self.report.keep(), name="report"),
        ]

    async def _run_plan(self) -> FinishReason:
        reason = await self.engine.run(self.amendable, self._execute, self.progress.on_step)
        self.streams.closed = True
        self.analysis.no_more()
        if not self.analysis.is_complete:
            self._log("info", "acquisition is over; waiting for the analysis")
        if reason is FinishReason.COMPLETED:
            await self.analysis.wait(_RESULT_LIMIT_S)
        else:
            await self.analysis.wait(_ABORTED_RESULT_LIMIT_S)
            if self._stopped:
                raise InterlockTripped(self._stopped)
        return reason

    async def _execute(self, step: Step) -> None:
        if self.past is not None and step.id in self.past.done:
            return
        if self.pace is not None:
            await self._let_the_analysis_come(self.pace * len(self.file.particles))
        match step:
            case Heat():
                await self.heating.pulse(step)
                self.progress.on_heated(step)
            case TiltSeries() | Image() | EdxMap():
                try:
                    await self.acquisition.take(step, 0 if self.past is None else self.past.taken(step.id))
                finally:
                    if self.folder.step_file(step.id).exists():
                        self.analysis.expect(step.id)
            case WaitForResults():
                await self._let_the_analysis_come(0)
            case Steer():
                await self.steered.run(step)
            case _:
                assert_never(step)
        self.journal.write(StepDone(step=step.id))

    async def _let_the_analysis_come(self, recordings: int) -> None:
        """Wait until it is no farther behind, the clock standing still."""
        with self.clock.working():
            while not await self.engine.unless_aborted(self.analysis.behind_at_most(recordings, _TOLD_EVERY_S)):
                self.progress.tell_it_waits()

    async def _follow_temperature(self) -> None:
        chip = self.instruments.chip
        while True:
            chip.beat()
            if self._stopped:  # nothing is asked any more, and nobody falls silent: the guard's own book tells
                with self.clock.working():
                    booked = await asyncio.to_thread(readings_of_chip, self.folder)
                if not booked:
                    await self.clock.sleep(_READING_PERIOD_S)
                    continue
                r = booked[-1]
            else:
                r = await chip.read()
            self._reading = r
            self._tell_reading(self.clock.now(), r)
            await self.clock.sleep(_READING_PERIOD_S)

    def _tell_reading(self, time_s: float, r: HeaterReading) -> None:
        self.events.tell(ev.ChipReading(time_s, r.temperature_c, r.setpoint_c, r.power_mw, r.temperature_std_c))

    async def _emergency_stop(self) -> str:
        self._stopped = "emergency stop, asked for by a person"
        self.engine.abort("emergency stop")
        failures = await self.instruments.stop()
        for failure in failures:
            self._log("error", f"emergency stop: {failure}")
        words = "emergency stop: the chip is off, the beam is blanked"
        if failures:
            words = "EMERGENCY STOP INCOMPLETE, check the instrument by hand: " + "; ".join(failures)
        self._stopped = words
        self._log("error", words)
        return words

    async def _audit(self) -> None:
        recorder, late = self.recorder, self.analysis.missing
        with self.clock.working():
            account = await asyncio.to_thread(audit, self.folder, recorder.acquired, recorder.unread, late)
        self.journal.write(account)
        for words in in_words(account):
            self._log("warning" if account.missing else "info", words)

    def _refresh_report(self, event: ev.Event) -> None:
        if isinstance(event, ev.ResultReceived) and isinstance(event.result, DiffusivityResult):
            self.report.ask()

    def _on_dark(self) -> None:
        with suppress(RecordingError):  # on a full disk the rest must be made safe, too
            self.acquisition.beam.book_until_dark()

    def _on_state(self, state: RunState, reason: str) -> None:
        with suppress(RecordingError):  # a full disk ends a session by its frames, and never keeps it from ending
            self.journal.write(StateChanged(state=state.value, reason=reason))
        self.events.tell(ev.RunStateChanged(self.clock.now(), state.value, reason))

    def _log(self, level: str, text: str) -> None:
        self.events.tell(ev.Log(self.clock.now(), level, text))

    def _tell_end(self, reason: str, message: str) -> None:
        self.journal.write(End(reason=reason, message=message, dose_e_per_nm2=dict(self.ledger.dose_e_per_nm2)))
        if booked := readings_of_chip(self.folder):
            self._tell_reading(booked[-1].time_s, booked[-1])
        self.events.tell(ev.Finished(reason, message, str(self.folder.path)))

    async def _close(self) -> list[str]:
        """What failed, in words; one failure never keeps the others from being tried."""
        outcomes = await asyncio.gather(self.instruments.close(), self.recorder.close(), return_exceptions=True)
        failures = [str(o) for o in outcomes if isinstance(o, BaseException)]
        with suppress(RecordingError, OSError):  # of a full disk: what failed must be told all the same
            self.heating.book_rest(readings_of_chip(self.folder))
        for failure in failures:
            self.journal.write(CloseFailed(message=failure))
            self._log("error", failure)
        self.streams.close()
        self.journal.close()
        return failures
