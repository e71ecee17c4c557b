"""The screen of a session: panels that draw what is known of it, sheet by sheet, and a few keys that act."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from math import inf
from time import monotonic
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.filter import LineFilter
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import ContentSwitcher

from controller import events as ev
from controller.monitor.asked_line import STOP, AskedLine
from controller.monitor.keys_footer import KeysFooter
from controller.monitor.keys_help import KeysHelp
from controller.monitor.keys_palette import KeysPalette, commands_of_keys
from controller.monitor.panels.log import SessionLog
from controller.monitor.panels.panel import Panel
from controller.monitor.panels.plan import PlannedRow, PlanTable
from controller.monitor.panels.status import AlarmLine, NextLine, ProgressLine, StatusLine, StopButton
from controller.monitor.plain_characters import PlainCharacters
from controller.monitor.plain_characters import wanted as plain_wanted
from controller.monitor.sheets import sheets
from controller.monitor.source import RemoteSession, Source
from controller.monitor.state import WatchedSession
from drivers.units import clock_time

_SOON_S = 0.02
"""After the first of several events that come together."""
_FIRST_S = 0.3
"""Without news of its session a screen comes after so long, and says so."""
_ASK_AGAIN_S = 4.0
_AGE_S = 1.0
_LAID_OUT_S = (0.15, 1.0)
"""After a change of the terminal's size, on a fast machine and on a busy one."""
_SETTLED_S = 2.0
_REPORTED_S = (6.0, 15.0, 40.0)
"""After its end a session's report may be there."""
_LOG_STYLES = {"warning": "yellow", "error": "bold red"}


def _on_terminal() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _spare_what_stays() -> None:
    """From garbage collection: to go through all that was imported takes a while, which keys wait for."""
    gc.collect()
    gc.freeze()


class MonitorApp(App[None]):
    """Draws what a `Source` tells. Leaving it never stops a session."""

    refresh_s: ClassVar[float] = 1.0
    """Between two times that what has come is drawn; what a person asks for is drawn at once."""
    CSS_PATH = "monitor.tcss"
    TITLE = "Alloyscope"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "send('pause')", "pause", tooltip="pause the plan"),
        Binding("r", "send('resume')", "resume", tooltip="resume the plan after a pause"),
        Binding("a", "abort", "abort", tooltip="abort the session; asks once more"),
        Binding("exclamation_mark", "send('stop')", "EMERGENCY STOP", key_display="!", show=False),
        Binding("x", "seen", "seen", tooltip="warnings are seen: take them off the screen"),
        Binding("n", "note", "note", tooltip="note into the journal and the report"),
        Binding("h", "heat", "heat given", tooltip="heat pulse that was given by hand and is over"),
        Binding("d", "turn_over", "turn over", show=False, tooltip="turn over: alloying, D against 1/T, EDX map"),
        Binding("s", "skip", "skip/take", tooltip="skip this step of the plan, or take it after all"),
        Binding("c", "change", "change", tooltip="change this pulse's temperature and time"),
        Binding("t", "repeat", "again", tooltip="take this step again, next"),
        Binding("e", "send('report')", "report", show=False, tooltip="report: write it now"),
        Binding("z", "zoom", "zoom", tooltip="zoom: one panel after the other has the room of all"),
        Binding("escape", "zoom(False)", "all panels", show=False, tooltip="all panels again"),
        Binding("question_mark", "keys", "keys", key_display="?", tooltip="keys: all of them"),
        Binding("1", "sheet('now')", "sheets", key_display="1-6", tooltip="now"),
        Binding("2", "sheet('results-sheet')", "results", show=False),
        Binding("3", "sheet('slices-sheet')", "slices", show=False),
        Binding("4", "sheet('plan-sheet')", "plan", show=False),
        Binding("5", "sheet('log-sheet')", "log", show=False),
        Binding("6", "sheet('edx-sheet')", "EDX", show=False),
        Binding("q", "quit", "leave", tooltip="leave the screen; the session goes on"),
    ]

    def __init__(self, source: Source | dict[str, str]) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (70, "-usual"), (110, "-roomy"), (170, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-high")]
        self._source: Source = RemoteSession(source) if isinstance(source, dict) else source
        self._session = WatchedSession(lacks=self._source.lacks)
        self._drawing: Timer | None = None
        self._drawn_at = self._due_s = -inf
        self._may: tuple[object, ...] = ()
        """By what the footer was drawn."""
        self._ascii = plain_wanted()
        self._unseen = ExitStack()
        """Closed when there is something to be seen: an empty screen before it would take as long to draw."""
        self._seen = False
        self._turned, self._zoomed = "alloying", ""
        """Which of three plots is up, and the panel that alone is shown."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), *([PlainCharacters()] if self._ascii else [])]

    def compose(self) -> ComposeResult:
        yield StatusLine(id="status")
        yield ProgressLine(id="progress")
        yield NextLine(id="next")
        yield AlarmLine(id="alarm")
        with ContentSwitcher(initial="now", id="sheets"):
            yield from sheets()
        with Horizontal(id="bottom"):
            yield KeysFooter()
            yield StopButton(id="stop")

    def on_mount(self) -> None:
        self._unseen.enter_context(self.batch_update())
        self.set_timer(_FIRST_S, self._show_all)
        self._turn_to("alloying")
        for name in ("#results-scroll", "#all-results-scroll"):
            self._panels.query_one(name).border_title = "results"
        for name in ("#log", "#log-sheet"):
            self._panels.query_one(name).border_title = "log"
        self.run_worker(self._listen(), name="events", exclusive=True)
        self.set_interval(_AGE_S, self._grow_older)
        if not self.is_headless:
            self.set_timer(_SETTLED_S, _spare_what_stays)
            if _on_terminal():
                self.set_interval(_AGE_S, self._leave_with_terminal)

    async def _listen(self) -> None:
        async for event in self._source.events():
            self._session.quiet = event is None
            if event is not None:
                self._take(event)
            self._draw_soon()

    def _take(self, event: ev.Event) -> None:
        session = self._session
        map_step = None if session.map is None else session.map.step
        slice_step = None if session.preview is None else session.preview.step
        alarms = len(session.alarms)
        for time_s, words in session.take(event):
            self._say(words, time_s)
        if len(session.alarms) > alarms:
            self.bell()
        if len(session.alarms) > alarms or isinstance(event, ev.Started | ev.RunStateChanged | ev.Finished):
            self._draw_soon(urgent=True)
        for wait_s in _REPORTED_S if isinstance(event, ev.Finished) else ():
            self.set_timer(wait_s, self.redraw)
        # What is being recorded turns up its own sheet, once.
        if session.map is not None and session.map.step != map_step:
            self._turn_to("edx")
        if session.preview is not None and session.preview.step != slice_step:
            self._turn_to("alloying")

    def _draw_soon(self, *, urgent: bool = False) -> None:
        """However fast events come, they are drawn once a second; what has to be seen, at once."""
        if not self.is_running:
            return  # it is leaving, and nobody would stop the timer
        if urgent:
            self._drawn_at = -inf
        now_s = monotonic()
        due_s = max(now_s + _SOON_S, self._drawn_at + self.refresh_s)
        if self._drawing is None or self._due_s > due_s:
            self._end_waiting()
            self._due_s = due_s
            self._drawing = self.set_timer(due_s - now_s, self.redraw)

    def _end_waiting(self) -> None:
        if self._drawing is not None:
            self._drawing.stop()
            self._drawing = None

    def redraw(self) -> None:
        """Bring the screen up to date, now."""
        self._end_waiting()
        if not self.is_running or not self.screen_stack:
            return  # it is leaving
        self._drawn_at = monotonic()
        self._show_what_may_be_done()
        for widget in self._panels.query("*"):
            seen = all(above.display for above in widget.ancestors)
            if isinstance(widget, Panel) and seen and (widget.display or isinstance(widget, AlarmLine)):
                widget.draw(self._session)  # an alarm line without an alarm hides itself
        if self._session.started is not None:
            self._show_all()

    def _show_all(self) -> None:
        if not self._seen:
            self._seen = True
            self._unseen.close()
            self._panels.refresh(layout=True)

    def _show_what_may_be_done(self) -> None:
        session = self._session
        watches = session.started is not None and session.started.watches
        now = (session.over, watches, session.state.state, bool(session.alarms))
        if now != self._may:
            self._may = now
            self.refresh_bindings()

    @property
    def _panels(self) -> Screen[object]:
        """The screen below whatever is asked."""
        return self.screen_stack[0]

    def _grow_older(self) -> None:
        """Nothing comes, and that is news."""
        if self._session.age_in_words() and self._session.finished is None:
            self._draw_soon()

    def _leave_with_terminal(self) -> None:
        """One whose line broke is none any more; it would be read as empty for ever, and not everybody hears SIGHUP."""
        if not _on_terminal():
            self.exit()

    def _say(self, text: str, time_s: float | None = None) -> None:
        at = f"{clock_time(time_s)} " if time_s is not None else ""
        for name in ("#log", "#log-sheet"):
            style = next((s for word, s in _LOG_STYLES.items() if text.startswith(word)), "")
            self._panels.query_one(name, SessionLog).say(Text(at, style="dim") + Text(text, style=style))

    def on_resize(self) -> None:
        """There may be room for more panels than before, once they have been laid out."""
        for wait_s in _LAID_OUT_S:
            self.set_timer(wait_s, self.redraw)

    def action_sheet(self, name: str) -> None:
        """Show it whole, and let its keys be heard."""
        self._panels.query_one("#sheets", ContentSwitcher).current = name
        table = {"plan-sheet": "#plan-sheet", "slices-sheet": "#slices-sheet", "results-sheet": "#states"}.get(name)
        if table is None:
            self._panels.set_focus(None)
        else:
            self._panels.query_one(table).focus()
        self.refresh_bindings()
        self.redraw()

    @property
    def _sheet(self) -> str:
        return str(self._panels.query_one("#sheets", ContentSwitcher).current)

    @property
    def _on(self) -> PlannedRow | None:
        """The step of the plan on its sheet that the cursor is on."""
        return self._panels.query_one("#plan-sheet", PlanTable).chosen if self._sheet == "plan-sheet" else None

    @property
    def _chosen(self) -> PlannedRow | None:
        """Where that can still be amended."""
        row = self._on
        return row if row is not None and row.when in ("left", "skipped") else None

    def action_repeat(self) -> None:
        """Once more, next."""
        if self._on is not None:
            self.action_send(f"repeat {self._on.step}")

    def action_skip(self) -> None:
        """Or take after all."""
        row = self._chosen
        if row is not None:
            self.action_send(f"{'skip' if row.when == 'left' else 'unskip'} {row.step}")

    def action_change(self) -> None:
        """Of a pulse: other temperature, other time."""
        row = self._chosen
        planned = None if row is None else next((s for s in self._session.plan if s.step == row.step), None)
        if planned is None or planned.temperature_c is None:
            self._say("only a heat pulse that has not begun can be changed; choose one with the arrows")
            return
        now = f"{planned.temperature_c:g} {planned.duration_s:g}"
        self._ask(f"change {planned.step}", f"{planned.step}: temperature in C, time in s (now {now})", now)

    def action_send(self, command: str) -> None:
        self.run_worker(self._send(command), name=command)

    def action_turn_over(self) -> None:
        """The alloying curve, D against 1/T and the EDX map, in turn, in the same place."""
        sheets = ["alloying", "arrhenius", *(["edx"] if self._session.map is not None else [])]
        self._turn_to(sheets[(sheets.index(self._turned) + 1) % len(sheets)])

    def _turn_to(self, sheet: str) -> None:
        self._turned = sheet
        self._arrange()

    def action_zoom(self, more: bool = True) -> None:
        """One panel after the other has the room of all; then, and by Esc, all are there again."""
        ways = ["", *self._up]
        self._zoomed = ways[(ways.index(self._zoomed) + 1) % len(ways)] if more else ""
        self._arrange()

    @property
    def _up(self) -> tuple[str, ...]:
        """Panels that are turned up, as they are zoomed one after the other."""
        return ("temperature", "maps" if self._turned == "edx" else "pictures", self._turned, "words")

    def _arrange(self) -> None:
        """Which panels are there: the ones that are turned up, or the one that is zoomed."""
        if self._zoomed not in self._up:
            self._zoomed = ""
        self._panels.query_one("#now").set_class(bool(self._zoomed), "-zoomed")
        shown = (self._zoomed,) if self._zoomed else self._up
        for panel in self._panels.query_one("#panels").children:
            if panel.id != "plan":  # whether there is room for it, the style sheet says
                panel.display = panel.id in shown
        self._draw_soon(urgent=True)

    def action_keys(self) -> None:
        """What all keys do."""
        self.push_screen(KeysHelp(self.BINDINGS))

    def action_command_palette(self) -> None:
        """Ctrl-P, as in any program of this kind."""
        if not isinstance(self.screen, KeysPalette):
            self.push_screen(KeysPalette())

    def get_system_commands(self, screen: Screen[object]) -> Iterator[SystemCommand]:
        yield from commands_of_keys(self, screen)

    def action_abort(self) -> None:
        """Aborting ends a session for good, so it is asked once more."""
        if self._session.abort_asked:
            self._session.abort_asked = False
            self.run_worker(self._send("abort"), name="abort")
        else:
            self._session.abort_asked = True
            self.set_timer(_ASK_AGAIN_S, self._forget_asked)
        self._draw_soon(urgent=True)

    def action_stop_clicked(self) -> None:
        """A click may be a slip, so it is asked once more; a key is not."""
        if self._session.stop_asked:
            self._session.stop_asked = False
            self.action_send("stop")
        else:
            self._session.stop_asked = True
            self.set_timer(_ASK_AGAIN_S, self._forget_asked)
        self._draw_soon(urgent=True)

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
        if action in ("skip", "change", "repeat"):
            return self._sheet == "plan-sheet" and not watches and not self._session.over
        if action == "heat":
            return watches and not self._session.over
        waits = self._session.state.state in ("pausing", "paused")
        if action == "send" and parameters[:1] in (("pause",), ("resume",)):
            return not watches and not self._session.over and waits == (parameters[0] == "resume")
        if action == "seen":
            return bool(self._session.alarms)
        if action == "send" and parameters[:1] == ("report",):
            return not watches and not self._session.over
        if action in ("abort", "note"):
            return not self._session.over
        if action == "zoom":
            return self._sheet == "now"
        return True

    def action_seen(self) -> None:
        self._session.alarms.clear()
        self._draw_soon(urgent=True)

    def _forget_asked(self) -> None:
        self._session.abort_asked = self._session.stop_asked = False
        self._draw_soon(urgent=True)

    async def _send(self, command: str) -> None:
        self._say(await self._source.command(command))
