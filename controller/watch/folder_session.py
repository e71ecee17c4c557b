"""A session whose frames another program acquires: recorded, streamed, analysed and shown as any other."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from analysis.edx.spectrum_image import SpectrumImage
from analysis.files.spectrum_file import read_spectrum_image
from analysis.images.thumbnail import thumbnail
from analysis.live.settings import AnalysisSettings
from analysis.results import AnyResult
from analysis.results.summary import summary
from controller import events as ev
from controller.plan.session_file import ParticleSection, SessionFile
from controller.record.audit import audit, in_words
from controller.record.notes import NOTE, take_note
from controller.record.recorder import Recorder
from controller.stream.live_analysis import LiveAnalysis
from controller.stream.streams import Streams
from controller.watch.arrivals import MAP_ENDINGS, Arrival, Arrivals, Found
from controller.watch.foreign_frames import frame_of_map, frames_of_series
from controller.watch.heating import LoggedHeating
from drivers.clock import WallClock
from drivers.errors import ConfigError, first_of
from drivers.frames import Frame, FrameHeader, HeatPulse, Recorded, SeriesEnd
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal
from drivers.recorded.records import Begin, End, FrameRecorded, Heated, SeriesBegin, SeriesEnded, StepDone
from drivers.recorded.tilt_series_file import ForeignSeries, read_tilt_series

_LOOK_S = 1.0
_RESULT_LIMIT_S = 900.0
_OTHER_PIXELS = 0.01


@dataclass
class FolderSession:
    """What `alloyscope watch` runs: particles, title and pixel size are the session file's, its plan is not run."""

    file: SessionFile
    source: Path
    watched: Path
    folder: SessionFolder
    heating: LoggedHeating
    quiet_s: float
    series_quiet_s: float
    series: int = 0
    """After so many it ends by itself; 0 when a person ends it."""
    listeners: list[ev.Listener] = field(default_factory=list)
    results: list[AnyResult] = field(default_factory=list)
    ready: Callable[[dict[str, str]], None] = lambda _: None

    def __post_init__(self) -> None:
        self.clock = WallClock()
        self._over = asyncio.Event()
        self._waiting: list[Arrival] = []
        """Whole, but their heat is not known yet."""
        self._taken: dict[str, list[datetime]] = {}
        self._steps = Counter[tuple[str, str]]()
        self._told: set[str] = set()
        self._noted_heat: list[HeatPulse] = []
        self._first: datetime | None = None

    def abort(self, reason: str) -> None:
        """End it, with what has been taken."""
        self._log("info", reason)
        self._over.set()

    async def run(self) -> None:
        """Until it is ended; afterwards the folder is complete."""
        self.folder.frames.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.source, self.folder.session_file)
        self._open()
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(self.streams.serve(), name="requests")
                self.ready(self.streams.endpoints)
                self._begin()
                analysis = tasks.create_task(self.analysis.keep_running(self.streams.endpoints), name="analysis")
                await self._watch()
                self.streams.closed = True
                self.analysis.no_more()
                await self.analysis.wait(_RESULT_LIMIT_S)
                if not self.analysis.is_complete:
                    analysis.cancel()
                await asyncio.wait([analysis])
                account = audit(self.folder, self.recorder.acquired, self.recorder.unread, self.analysis.missing)
                self.journal.write(account)
                for words in in_words(account):
                    self._log("warning" if account.missing else "info", words)
                serving.cancel()
        except BaseExceptionGroup as group:
            error = first_of(group)
            self._end("failed", str(error))
            raise error from error.__cause__
        else:
            self._end("done", "")
        finally:
            await self.recorder.close()
            self.streams.close()
            self.journal.close()

    def json(self) -> dict[str, Any]:
        """Results so far, in the form of every run."""
        from analysis.reanalysis.offline import software

        provenance = {"source": self.file.title, "kind": "watch", "seed": self.file.seed, "simulated": False}
        return summary(self.results, provenance | software())

    async def command(self, name: str) -> str:
        """What a person asks from the screen or another process."""
        if name == "abort":
            self.abort("watching is ended by a person")
            return "watching ends; what has been taken is analysed to its end"
        if name.startswith("heat "):
            return self._heat_told(name)
        if name.startswith(NOTE):
            return take_note(name, self.journal, self._log)
        return f"{name}: the microscope's own program acquires, this one only watches; there are abort, heat and note"

    def _open(self) -> None:
        self.events = ev.Events()
        for listener in self.listeners:
            self.events.listen(listener)
        self.journal = Journal(self.folder.journal, self.clock)
        self.recorder = Recorder(self.folder, self.clock, warn=lambda words: self._log("warning", words))
        settings = AnalysisSettings(
            seed=self.file.seed,
            activation=self.file.arrhenius,
            uncertainty=self.file.uncertainty,
            picture_px=ev.PICTURE_PX,
        )
        self.analysis = LiveAnalysis(
            self.folder,
            settings,
            self.clock,
            self.journal,
            self.events,
            self.results,
            dry=False,
            workers=self.file.analysis.workers,
        )
        self.streams = Streams(self.recorder, self.events, self.analysis, self.command)
        self.arrivals = Arrivals(
            self.watched,
            self._read,
            time.monotonic,
            self.quiet_s,
            self.series_quiet_s,
            planned=len(self.file.tilt.tilts_deg()),
            tell=lambda words: self._log("info", words),
        )
        self.heating.tell = lambda words: self._once("info", words)

    def _begin(self) -> None:
        file, names = self.file, tuple(p.name for p in self.file.particles)
        known = None if file.arrhenius is None else file.arrhenius.model_dump()
        self.journal.write(
            Begin(
                session=file.title,
                seed=file.seed,
                simulated=False,
                particles=names,
                activation=known,
                uncertainty=self.file.uncertainty.model_dump(),
                origin=str(self.source.parent.resolve()),
            )
        )
        self.events.tell(ev.Started(file.title, str(self.folder.path), False, names, self.series, watches=True))
        self.events.tell(ev.RunStateChanged(self.clock.now(), "running"))
        self._log("info", f"watching {self.watched}")

    async def _watch(self) -> None:
        while not self._over.is_set():
            try:
                self._waiting += await asyncio.to_thread(self.arrivals.look)
                self._waiting.sort(key=lambda a: a.began)
                while self._waiting and await self._take(self._waiting[0]):
                    self._waiting.pop(0)
            except ConfigError as error:  # a drive that is away for a while, a log that says what cannot be
                self._once("warning", "; ".join(error.problems))
            self._show_temperature()
            if self.series and sum(map(len, self._taken.values())) >= self.series:
                return
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._over.wait()
            except TimeoutError:
                continue
        for arrival in self._waiting:
            self._log("warning", f"{arrival.path.name} is not analysed: the heater's log does not reach to it")

    def _read(self, path: Path) -> Found:
        """A map where the session file has a section of them and the file holds one, else a tilt series."""
        if self.file.edx is None or path.is_dir() or path.suffix.lower() not in MAP_ENDINGS:
            return read_tilt_series(path)
        try:
            return read_spectrum_image(path)
        except ConfigError as no_map:
            try:
                return read_tilt_series(path)
            except ConfigError as no_series:
                raise ConfigError(str(path), [*no_map.problems, *no_series.problems]) from None

    async def _take(self, arrival: Arrival) -> bool:
        """Whether no more is to be done about it; it may have to wait for its heater's log."""
        particle = self._particle_of(arrival.path)
        if particle is None:
            return True
        if any(arrival.began <= before for before in self._taken.get(particle.name, [])):
            self._log("warning", f"{arrival.path.name} is older than what was taken before; analyse them anew together")
            return True
        heat = self.heating.before(arrival.began, arrival.ended)
        if heat is None:
            self._once("info", f"{arrival.path.name} waits for the heater's log to reach {arrival.began:%H:%M:%S}")
            return False
        self._first = self._first or arrival.began
        await self._record(arrival, particle, heat)
        return True

    async def _record(self, arrival: Arrival, p: ParticleSection, heat: tuple[HeatPulse, ...]) -> None:
        what: Recorded = "tilt-series" if isinstance(arrival.found, ForeignSeries) else "edx-map"
        taken = self._taken.setdefault(p.name, [])
        done = self._steps[what, p.name]
        self._steps[what, p.name] += 1
        step = f"c{done:02d}/{p.name}/{'tilt' if what == 'tilt-series' else 'edx'}"
        taken.append(arrival.began)
        for pulse in heat[len(self._noted_heat) :]:
            self._noted_heat.append(pulse)
            c, s = pulse.temperature_c, pulse.duration_s
            self.journal.write(Heated(step=step, temperature_c=c, duration_s=s, worth_s=s, worth_std_s=pulse.std_s))
            self._log("info", f"heated to {c:g} C, worth {s:g} s, by the heater's log")
        template = FrameHeader(
            seq=0,
            session=self.file.title,
            step=step,
            index=0,
            particle=p.name,
            core=p.core,
            shell=p.shell,
            window=p.window,
            time_s=(arrival.began - (self._first or arrival.began)).total_seconds(),
            tilt_deg=0.0,
            pixel_nm=self._pixel_nm(arrival),
            heat=heat,
        )
        if isinstance(arrival.found, ForeignSeries):
            frames = list(frames_of_series(arrival.found, template, arrival.began))
        else:
            assert self.file.edx is not None, "without it no map is read"
            frames = [frame_of_map(arrival.found, template, self.file.edx)]
        count = f"{len(frames)} images" if what == "tilt-series" else "an EDX map"
        self._log("info", f"{arrival.path.name}: {count} of {p.name}, begun {arrival.began:%H:%M:%S}")
        self.journal.write(SeriesBegin(step=step, particle=p.name, planned=len(frames)))
        for frame in frames:
            await self._take_frame(frame)
        await self.recorder.end_step()
        seq, n = self.streams.next_seq, len(frames)
        mark = SeriesEnd(seq=seq, step=step, particle=p.name, frames=n, planned=n, what=what)
        self.journal.write(SeriesEnded(mark=mark))
        self.streams.publish(mark)
        self.analysis.expect(step)
        self.journal.write(StepDone(step=step))

    async def _take_frame(self, frame: Frame) -> None:
        frame = replace(frame, header=msgspec.structs.replace(frame.header, seq=self.streams.next_seq))
        header = frame.header
        await self.recorder.write(frame)
        self.journal.write(FrameRecorded(seq=header.seq, step=header.step, tilt_deg=header.tilt_deg))
        self.streams.publish(frame)
        pixels = thumbnail(frame.image, ev.PICTURE_PX)
        self.events.tell(ev.Picture(header.step, header.tilt_deg, pixels.shape, pixels.tobytes(), header.index))

    def _particle_of(self, path: Path) -> ParticleSection | None:
        """The only one, or the one whose name is in the file's."""
        if len(self.file.particles) == 1:
            return self.file.particles[0]
        named = [p for p in self.file.particles if p.name.lower() in path.name.lower()]
        if len(named) == 1:
            return named[0]
        names = ", ".join(p.name for p in self.file.particles)
        found = "names more than one" if named else "names none"
        self._once("warning", f"{path.name} {found} of the particles {names}; put one of them into its name")
        return None

    def _pixel_nm(self, arrival: Arrival) -> float:
        """The file's own, where it tells."""
        asked, told = self.file.scan.pixel_nm, arrival.found.pixel_nm
        if isinstance(arrival.found, SpectrumImage):
            return arrival.found.pixel_nm
        if told is None:
            return asked
        if abs(told / asked - 1.0) > _OTHER_PIXELS:
            words = f"has pixels of {told:.4g} nm, the session file says {asked:g}; its own are taken"
            self._once("warning", f"{arrival.path.name} {words}")
        return told

    def _show_temperature(self) -> None:
        newest = self.heating.newest()
        if newest is not None:
            self.events.tell(ev.ChipReading(self.clock.now(), newest[1], newest[1], None))

    def _heat_told(self, name: str) -> str:
        try:
            temperature_c, duration_s = map(float, name.split()[1:])
        except ValueError:
            return f"{name!r}: write heat, the temperature in C and the seconds at it, such as: heat 450 15"
        if not (0.0 < temperature_c < 2000.0 and 0.0 < duration_s < 1e6):
            return f"{temperature_c:g} C for {duration_s:g} s is no heat pulse of a chip; nothing is booked"
        self.heating.told += ((datetime.now(), HeatPulse(temperature_c, duration_s)),)
        return (
            f"booked: {temperature_c:g} C for {duration_s:g} s, over now; every series that begins after it has had it"
        )

    def _once(self, level: str, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            self._log(level, words)

    def _log(self, level: str, text: str) -> None:
        self.events.tell(ev.Log(self.clock.now(), level, text))

    def _end(self, reason: str, message: str) -> None:
        self.journal.write(End(reason=reason, message=message, dose_e_per_nm2={}))
        self.events.tell(ev.Finished(reason, message, str(self.folder.path)))
