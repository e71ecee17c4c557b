"""The numbers so far, in words."""

from __future__ import annotations

from rich.text import Text

from analysis.results import Estimate
from controller.monitor.panels.drawn import Words
from controller.monitor.state import WatchedSession
from drivers.units import counted


class ResultsPanel(Words):
    """D, windows, images, maps and states, the newest of each."""

    def draw(self, session: WatchedSession) -> None:
        out = Text()
        for fit in session.fits.values():
            for d in fit.diffusivities:
                out.append(f"{fit.particle} D({d.temperature_c:g} C)\n", style="dim")
                out.append(f"{d} m2/s\n" if d.known else "only bounded\n", style="bold")
        if session.law is not None:
            for line in session.law.words():
                out.append(f"{line}\n")
        for name, images in session.images.items():
            last = images[-1]
            out.append(f"{name} {counted(len(images), 'image')}", style="dim")
            if last.heated_c is not None:
                out.append(f", after {last.heated_c:g} C")
            onset = "" if last.onset is None else f"; {last.onset}"
            out.append(f"\ncontrast lost {last.contrast_lost or '-'}{onset}\n")
        for found in session.newest_maps():
            out.append(f"{found.particle} {found.headline}", style="bold" if found.final else "italic")
            out.append(f"\n{found.step}, {found.frames}/{found.planned} frames, drift {found.drift_nm:.1f} nm, ")
            out.append(f"{found.quality}\n")
            if "profile" in found.report:
                out.append(f"{found.report['profile']['statement']}\n")
        for state in {s.particle: s for s in session.states.values()}.values():
            now = session.provisional
            if now is not None and now.particle == state.particle and now.step not in session.states:
                out.append(f"{now.particle} alloying {now.alloying}, {now.frames} tilts\n", style="italic")
            else:
                out.append(f"{state.particle} alloying {_degree(state.alloying)}\n")
            heated = sum(s.particle == state.particle and s.state > 0 for s in session.states.values())
            out.append(f"{counted(heated, 'state')} after heat, {state.heated_s:.4g} s, {state.quality}\n")
        out.rstrip()
        self.say(out if out.plain else Text("no result yet", style="dim"))


def _degree(alloying: Estimate | None) -> str:
    """A degree far above one is no degree, but a sign of something else."""
    if alloying is None:
        return "-"
    beyond = alloying.value - 1.0 > 2.0 * alloying.total
    return f"{alloying}{': above 1 by more than its error, see quality' if beyond else ''}"
