"""The two lines above everything: in what state the session is, and where in its plan."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from controller.monitor.state import WatchedSession
from drivers.units import clock_time

_COLOURS = {
    "running": "green",
    "pausing": "yellow",
    "paused": "yellow",
    "aborting": "red",
    "done": "cyan",
    "failed": "red",
}


class StatusLine(Static):
    """State, title, and what is urgent."""

    def draw(self, session: WatchedSession) -> None:
        state, out = session.state.state, Text(no_wrap=True, overflow="ellipsis")
        out.append(f" {state} ", style=f"bold reverse {_COLOURS.get(state, 'white')}")
        if session.started is not None:
            out.append(f" {session.started.title}")
            if session.started.simulated:
                out.append("  SIMULATED", style="bold yellow")
        if session.abort_asked:
            out.append("  press a again to abort", style="bold red")
        elif session.finished is not None:
            out.append(f"  {session.finished.reason}; q leaves", style="cyan")
        elif session.quiet:
            out.append("  no news from the session", style="bold red")
        self.update(out)


class ProgressLine(Static):
    """Step, tilt, and the time that is left."""

    def draw(self, session: WatchedSession) -> None:
        p = session.progress
        if p is None:
            self.update(Text("waiting for the session", style="dim"))
            return
        out = Text(f" step {p.step_number}/{p.steps} {p.step}", no_wrap=True, overflow="ellipsis")
        if p.parts and p.tilt_deg is not None:
            filled = round(10 * p.part / p.parts)
            out.append(f"  {'━' * filled}", style="green")
            out.append("━" * (10 - filled), style="dim")
            out.append(f" {p.part}/{p.parts} {p.tilt_deg:+.1f} deg")
        out.append(f"  {clock_time(p.time_s)}, {clock_time(p.left_s)} left", style="bold")
        self.update(out)
