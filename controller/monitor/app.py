"""The screen of a session: panels that draw what is known of it, and four keys that act."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, RichLog

from controller import events as ev
from controller.monitor.asked_line import STOP, AskedLine
from controller.monitor.panels.alloying import AlloyingPlot
from controller.monitor.panels.arrhenius import ArrheniusPlot
from controller.monitor.panels.chip import ChipPlot
from controller.monitor.panels.edx import ElementMaps, SpectrumAndProfile
from controller.monitor.panels.panel import Panel
from controller.monitor.panels.picture import FramePicture, SlicePicture
from controller.monitor.panels.plot import CLOCK
from controller.monitor.panels.results import ResultsPanel
from controller.monitor.panels.status import AlarmLine, NextLine, ProgressLine, StatusLine, StopButton
from controller.monitor.source import RemoteSession, Source
from controller.monitor.state import WatchedSession
from drivers.units import clock_time

REFRESH_S = 0.2
_ASK_AGAIN_S = 4.0
_AGE_S = 1.0


class MonitorApp(App[None]):
    """Draws what a `Source` tells. Leaving it never stops a session."""

    CSS_PATH = "monitor.tcss"
    TITLE = "Alloyscope"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "send('pause')", "pause"),
        Binding("r", "send('resume')", "resume"),
        Binding("a", "abort", "abort"),
        Binding("exclamation_mark", "send('stop')", "EMERGENCY STOP", key_display="!", show=False),
        Binding("x", "seen", "seen"),
        Binding("n", "note", "note"),
        Binding("h", "heat", "heat given"),
        Binding("d", "turn_over", "sheet"),
        Binding("q", "quit", "leave"),
    ]

    def __init__(self, source: Source | dict[str, str]) -> None:
        super().__init__()
        self._source: Source = RemoteSession(source) if isinstance(source, dict) else source
        self._session = WatchedSession(lacks=self._source.lacks)
        self._changed = True
        self._may = (False, False)
        """Over, and only watching: by what the footer was drawn."""

    def compose(self) -> ComposeResult:
        yield StatusLine(id="status")
        yield ProgressLine(id="progress")
        yield NextLine(id="next")
        yield AlarmLine(id="alarm")
        with Grid(id="panels"):
            yield ChipPlot("chip", CLOCK, id="temperature")
            with Horizontal(id="pictures"):
                yield FramePicture("last frame", id="frame")
                yield SlicePicture("orthoslice", id="slice")
            yield ElementMaps(id="maps")
            yield AlloyingPlot("degree of alloying", "s at temperature", id="alloying", y_range=(0.0, 1.0))
            yield ArrheniusPlot("log10 of D in m2/s, interval by interval", "1000/K", id="arrhenius")
            yield SpectrumAndProfile(id="edx")
            with Vertical(id="words"):
                with VerticalScroll(id="results-scroll"):
                    yield ResultsPanel(id="results")
                yield RichLog(id="log", wrap=True, min_width=20, max_lines=300)
        with Horizontal(id="bottom"):
            yield Footer(show_command_palette=False)
            yield StopButton(id="stop")

    def on_mount(self) -> None:
        self._turn_to("alloying")
        self._panels.query_one("#results-scroll").border_title = "results"
        self._panels.query_one("#log").border_title = "log"
        self.run_worker(self._listen(), name="events", exclusive=True)
        self.set_interval(REFRESH_S, self._draw)
        self.set_interval(_AGE_S, self._grow_older)

    async def _listen(self) -> None:
        async for event in self._source.events():
            self._session.quiet = event is None
            if event is not None:
                self._take(event)
            self._changed = True

    def _take(self, event: ev.Event) -> None:
        session = self._session
        map_step = None if session.map is None else session.map.step
        slice_step = None if session.preview is None else session.preview.step
        alarms = len(session.alarms)
        for time_s, words in session.take(event):
            self._say(words, time_s)
        if len(session.alarms) > alarms:
            self.bell()
        # What is being recorded turns up its own sheet, once.
        if session.map is not None and session.map.step != map_step:
            self._turn_to("edx")
        if session.preview is not None and session.preview.step != slice_step:
            self._turn_to("alloying")

    def _draw(self) -> None:
        """Bring the screen up to date, at most a few times a second however fast events come."""
        if not self._changed:
            return
        self._changed = False
        self._show_what_may_be_done()
        for widget in self._panels.query("*"):
            if isinstance(widget, Panel):
                widget.draw(self._session)

    def _show_what_may_be_done(self) -> None:
        started = self._session.started
        now = (self._session.over, started is not None and started.watches)
        if now != self._may:
            self._may = now
            self.refresh_bindings()

    @property
    def _panels(self) -> Screen[object]:
        """The screen below whatever is asked."""
        return self.screen_stack[0]

    def _grow_older(self) -> None:
        """Nothing comes, and that is news."""
        if self._session.age_in_words():
            self._changed = True

    def _say(self, text: str, time_s: float | None = None) -> None:
        at = f"{clock_time(time_s)} " if time_s is not None else ""
        self._panels.query_one("#log", RichLog).write(Text(at, style="dim") + Text(text))

    def action_send(self, command: str) -> None:
        self.run_worker(self._send(command), name=command)

    def action_turn_over(self) -> None:
        """The alloying curve, D against 1/T and the EDX map, in turn, in the same place."""
        sheets = ["alloying", "arrhenius", *(["edx"] if self._session.map is not None else [])]
        now = next(n for n, name in enumerate(sheets) if self._panels.query_one(f"#{name}").display)
        self._turn_to(sheets[(now + 1) % len(sheets)])

    def _turn_to(self, sheet: str) -> None:
        for name in ("alloying", "arrhenius", "edx"):
            self._panels.query_one(f"#{name}").display = name == sheet
        self._panels.query_one("#maps").display = sheet == "edx"
        self._panels.query_one("#pictures").display = sheet != "edx"

    def action_abort(self) -> None:
        """Aborting ends a session for good, so it is asked once more."""
        if self._session.abort_asked:
            self._session.abort_asked = False
            self.run_worker(self._send("abort"), name="abort")
        else:
            self._session.abort_asked = True
            self.set_timer(_ASK_AGAIN_S, self._forget_asked)
        self._changed = True

    def action_stop_clicked(self) -> None:
        """A click may be a slip, so it is asked once more; a key is not."""
        if self._session.stop_asked:
            self._session.stop_asked = False
            self.action_send("stop")
        else:
            self._session.stop_asked = True
            self.set_timer(_ASK_AGAIN_S, self._forget_asked)
        self._changed = True

    def action_note(self) -> None:
        """Into the journal, and the report."""
        self._ask("note", "note into the journal", "the particle is beside a grain boundary")

    def action_heat(self) -> None:
        """Where the heater has no log: a pulse that is over now."""
        self._ask("heat", "heat pulse that is over now: temperature in C, time in s", "450 15")

    def _ask(self, command: str, question: str, example: str) -> None:
        def send(text: str | None) -> None:
            if text is not None:
                self.action_send("stop" if text == STOP else f"{command} {text}")

        self.push_screen(AskedLine(question, example), send)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What may be done now is what the footer shows."""
        started = self._session.started
        watches = started is not None and started.watches
        if action == "heat":
            return watches and not self._session.over
        if action == "send" and parameters[:1] in (("pause",), ("resume",)):
            return not watches and not self._session.over
        if action in ("abort", "note"):
            return not self._session.over
        return True

    def action_seen(self) -> None:
        self._session.alarms.clear()
        self._changed = True

    def _forget_asked(self) -> None:
        self._session.abort_asked = self._session.stop_asked = False
        self._changed = True

    async def _send(self, command: str) -> None:
        self._say(await self._source.command(command))
