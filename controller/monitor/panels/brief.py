"""What a terminal has room for that is too small for panels: temperature, alloying, D, and the newest of the log."""

from __future__ import annotations

from rich.text import Text

from controller.monitor.panels.chip import chip_in_words
from controller.monitor.panels.drawn import Words
from controller.monitor.state import WatchedSession
from drivers.units import clock_time

_LINES = 4
"""Of the log."""


class Brief(Words):
    """In the place of all panels."""

    def draw(self, session: WatchedSession) -> None:
        out = Text(no_wrap=True, overflow="ellipsis")
        out.append(f" {chip_in_words(session)[0]}\n", style="dim" if session.age_in_words() else "bold")
        for state in {s.particle: s for s in session.states.values()}.values():
            degree = "-" if state.alloying is None else state.alloying
            out.append(f" {state.particle} alloying {degree}, {state.heated_s:.4g} s, {state.quality}\n")
        for fit in session.fits.values():
            for d in fit.diffusivities[-1:]:
                told = f"{d} m2/s" if d.known else "only bounded"
                out.append(f"{fit.particle} {d.temperature_c:g} C: {told}\n", style="bold")
        for time_s, words in list(session.log)[-_LINES:]:
            at = "" if time_s is None else f"{clock_time(time_s)} "
            out.append(f" {at}", style="dim")
            out.append(f"{words}\n")
        out.rstrip()
        self.say(out)
