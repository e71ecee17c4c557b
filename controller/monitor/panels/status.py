"""The lines above everything: whether all is well, where the session is in its plan, and what nobody has seen yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from controller import events as ev
from controller.monitor.panels.drawn import Words
from controller.monitor.state import WatchedSession
from drivers.units import clock_time, counted

_COLOURS = {
    "running": "green",
    "pausing": "yellow",
    "paused": "yellow",
    "aborting": "yellow",
    "done": "cyan",
    "failed": "red",
}


_BAR = 10
"""Of progress, in columns."""
_TITLE = 8
"""Columns below which a title is left out rather than cut."""
_ALARM_ROWS = 3
_REST = " … (5: log)"


class StatusLine(Words):
    """State, title, and the answer to "is it all right?"; red is for what is not."""

    def draw(self, session: WatchedSession) -> None:
        # A session that failed says done of its plan as well: how it ended is what counts.
        ended = None if session.finished is None else session.finished.reason
        state = session.state.state if ended in (None, "completed") else str(ended)
        started = session.started
        title = "" if started is None else started.title
        ways = []
        for words, style in _verdicts(session):
            head = Text(f" {state} ", style=f"bold reverse {_COLOURS.get(state, 'white')}", end="")
            tail = Text(end="")
            if started is not None and started.simulated:
                tail.append("  SIMULATED", style="bold yellow")
            if words:
                tail.append(f"  {words}", style=style)
            whole = Text.assemble(head, f" {title}", tail)
            room = self.size.width - head.cell_len - tail.cell_len - 1
            short = Text(title)
            short.truncate(max(room, 0), overflow="ellipsis")
            ways.append(whole)
            if room >= _TITLE:
                ways.append(Text.assemble(head, " ", short, tail))
            ways.append(Text.assemble(head, tail))  # their sum would have the head's style all along
        self.say_in_a_row(ways)


def _verdicts(session: WatchedSession) -> Iterator[tuple[str, str]]:
    """What there is to say of all, as words and their style, and then more briefly."""
    if session.abort_asked:
        yield "press a again to abort", "bold red"
    elif session.stop_asked:
        yield "click again to switch off chip and beam, or press !", "bold red"
        yield "again, or !: chip and beam off", "bold red"
    elif session.finished is not None:
        yield f"{session.finished.reason}; q leaves", "cyan"
    elif session.over:
        yield "acquisition is over, the analysis goes on", "cyan"
        yield "acquired; the analysis goes on", "cyan"
    elif session.quiet:
        yield "no news from the session", "bold red"
    elif session.alarms:
        yield f"⚠ {counted(len(session.alarms), 'warning')}, x: seen", "bold red"
    elif session.progress is not None and session.progress.waits:
        yield "all well; the plan waits for the analysis", "cyan"
        yield "all well; waits for the analysis", "cyan"
    elif session.progress is not None:
        yield "✓ all well", "green"
    else:
        yield "", ""


class AlarmLine(Words):
    """The newest warning, in as many rows as it has words, until somebody has seen it."""

    def draw(self, session: WatchedSession) -> None:
        self.display = bool(session.alarms)
        if not session.alarms:
            return
        time_s, words = session.alarms[-1]
        at = "" if time_s is None else f"{clock_time(time_s)} "
        room = max(2 * len(_REST), self.size.width or self.app.size.width) - 1
        rows = list(Text(f"{at}{words}").wrap(self.app.console, room))
        if len(rows) > _ALARM_ROWS:
            rows = rows[:_ALARM_ROWS]
            rows[-1].truncate(room - len(_REST), overflow="crop")
            rows[-1].append(_REST)
        self.say(Text("\n".join(f" {row.plain.rstrip()}" for row in rows), style="bold red"))


class ProgressLine(Words):
    """Step, tilt, and the time that is left."""

    def draw(self, session: WatchedSession) -> None:
        p, left_s = session.progress, session.left_s
        if p is None or left_s is None:
            words = f" ended at {clock_time(session.time_s)}" if session.over else "waiting for the session"
            self.say(Text(words, style="dim"))
            return
        self.say_in_a_row([self._words(session, p, left_s, bar) for bar in (_BAR, 0, None)])

    @staticmethod
    def _words(session: WatchedSession, p: ev.StepProgress, left_s: float, bar: int | None) -> Text:
        """`bar` : so long; None leaves out whatever a small terminal can do without."""
        out = Text(f" {'' if bar is None else 'step '}{p.step_number}/{p.steps} {p.step}", no_wrap=True)
        if p.parts and p.tilt_deg is not None:
            filled = round((bar or 0) * p.part / p.parts)
            out.append(f"  {'━' * filled}" if bar else " ", style="green")
            out.append("━" * ((bar or 0) - filled), style="dim")
            out.append(f" {p.part}/{p.parts} {p.tilt_deg:+.1f} deg")
        left = "" if session.over else f"{clock_time(left_s)} left"
        now = "" if bar is None and left else f"{'ended at ' * session.over}{clock_time(session.time_s)}"
        out.append(f"  {', '.join(words for words in (now, left) if words)}", style="bold")
        return out


class NextLine(Words):
    """What comes next, what it has cost, and how far behind the analysis is."""

    def draw(self, session: WatchedSession) -> None:
        p, started = session.progress, session.started
        folder = "" if session.finished is None else session.finished.folder
        if session.finished is not None and started is not None and (not session.lacks or Path(folder).is_dir()):
            self.say_in_a_row([Text(f" {words}") for words in _after(session.finished, started)])
            return
        if p is None or started is None:
            self.say(Text())
            return
        parts = list(_parts(session, p, started, 1))
        lines = [[*_parts(session, p, started, 2)], *(parts[:n] for n in range(len(parts), 0, -1))]
        self.say_in_a_row([*(Text(f" {'  '.join(words)}") for words in lines), Text()])


def _after(finished: ev.Finished, started: ev.Started) -> Iterator[str]:
    """What somebody does next, and then more briefly."""
    folder = finished.folder
    if finished.reason != "completed" and not started.watches:
        yield f"next: alloyscope resume {folder} goes on; alloyscope report {folder}"
        yield f"next: alloyscope resume {folder}"
        yield f"alloyscope resume {folder}"
    elif (made := Path(folder) / "report" / "report.html").is_file():
        yield f"report: {made}"
        yield str(made)
        yield f"report/report.html in {Path(folder).name}"
    else:
        yield f"next: alloyscope report {folder}"
        yield f"alloyscope report {folder}"


def _parts(session: WatchedSession, p: ev.StepProgress, started: ev.Started, steps: int) -> Iterator[str]:
    if p.following and not session.over:
        yield f"next {', then '.join(p.following[:steps])}"
    if started.real_time and not session.over and session.left_s is not None:
        yield f"ends {session.clock_at(session.left_s)}"
    planned = started.dose_planned_e_per_nm2
    particle = next((name for name in planned if f"/{name}/" in p.step), next(iter(p.dose_e_per_nm2), ""))
    if particle in p.dose_e_per_nm2:
        most = f"/{1e-6 * planned[particle]:.2f}" if particle in planned else ""
        whose = f"{particle} " if len(started.particles) > 1 else ""
        yield f"{whose}dose {1e-6 * p.dose_e_per_nm2[particle]:.2f}{most} Me/nm2"
    if 0 < p.recorded >= session.analysed:
        yield f"analysis {session.analysed}/{p.recorded}"


class StopButton(Words):
    """Where a click asks for the emergency stop, and a second one does it. The key does not ask."""

    def draw(self, session: WatchedSession) -> None:
        self.display = not session.over
        words = " STOP? click again " if session.stop_asked else " ! EMERGENCY STOP "
        self.say(Text(words, style="bold reverse red" if session.stop_asked else "bold red", no_wrap=True))

    async def on_click(self) -> None:
        await self.run_action("app.stop_clicked")
