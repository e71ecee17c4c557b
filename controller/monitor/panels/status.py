"""The lines above everything: whether all is well, where the session is in its plan, and what nobody has seen yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from controller import events as ev
from controller.monitor.panels.drawn import Words
from controller.monitor.state import WatchedSession
from drivers.units import clock_time

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


class StatusLine(Words):
    """State, title, and the answer to "is it all right?"; red is for what is not."""

    def draw(self, session: WatchedSession) -> None:
        # A session that failed says done of its plan as well: how it ended is what counts.
        ended = None if session.finished is None else session.finished.reason
        state = session.state.state if ended in (None, "completed") else str(ended)
        out = Text(no_wrap=True, overflow="ellipsis")
        out.append(f" {state} ", style=f"bold reverse {_COLOURS.get(state, 'white')}")
        if session.started is not None:
            out.append(f" {session.started.title}")
            if session.started.simulated:
                out.append("  SIMULATED", style="bold yellow")
        if session.abort_asked:
            out.append("  press a again to abort", style="bold red")
        elif session.stop_asked:
            out.append("  click again to switch off chip and beam, or press !", style="bold red")
        elif session.finished is not None:
            out.append(f"  {session.finished.reason}; q leaves", style="cyan")
        elif session.over:
            out.append("  acquisition is over, the analysis goes on", style="cyan")
        elif session.quiet:
            out.append("  no news from the session", style="bold red")
        elif session.alarms:
            number = len(session.alarms)
            out.append(f"  ⚠ {number} warning{'s' if number > 1 else ''}, x: seen", style="bold red")
        elif session.progress is not None and session.progress.waits:
            out.append("  all well; the plan waits for the analysis", style="cyan")
        elif session.progress is not None:
            out.append("  ✓ all well", style="green")
        self.say(out)


class AlarmLine(Words):
    """The newest warning, until somebody has seen it."""

    def draw(self, session: WatchedSession) -> None:
        self.display = bool(session.alarms)
        if session.alarms:
            time_s, words = session.alarms[-1]
            at = "" if time_s is None else f"{clock_time(time_s)} "
            self.say(Text(f" {at}{words}", style="bold red", no_wrap=True, overflow="ellipsis"))


class ProgressLine(Words):
    """Step, tilt, and the time that is left."""

    def draw(self, session: WatchedSession) -> None:
        p, left_s = session.progress, session.left_s
        if p is None or left_s is None:
            words = f" ended at {clock_time(session.time_s)}" if session.over else "waiting for the session"
            self.say(Text(words, style="dim"))
            return
        tried = (self._words(session, p, left_s, bar) for bar in (_BAR, 0))
        room = self.size.width
        self.say(next((line for line in tried if line.cell_len <= room), self._words(session, p, left_s, None)))

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
            whole = session.finished.reason == "completed" or started.watches
            again = "" if whole else f"alloyscope resume {folder} goes on; "
            made = Path(folder) / "report" / "report.html"
            words = f"next: {again}alloyscope report {folder}"
            if whole and made.is_file():
                words = f"report: {made}"
            self.say(Text(f" {words}", no_wrap=True, overflow="ellipsis"))
            return
        if p is None or started is None:
            self.say(Text())
            return
        parts = list(_parts(session, p, started, 1))
        lines = [[*_parts(session, p, started, 2)], *(parts[:n] for n in range(len(parts), 0, -1))]
        room = self.size.width
        fitting = next((line for words in lines if len(line := f" {'  '.join(words)}") <= room), "")
        self.say(Text(fitting, no_wrap=True, overflow="ellipsis"))


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
