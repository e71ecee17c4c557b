"""Slices of two states side by side, at one cut and one scale: the first, and the one that is chosen."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from analysis.results import Preview
from controller.monitor.panels.picture import VIRIDIS, PicturePanel, pixels_of
from controller.monitor.state import WatchedSession


class SlicesSheet(Horizontal, can_focus=True):
    """Arrows choose the state and the particle; until one is chosen the newest is shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "state(-1)", "state before"),
        Binding("right", "state(1)", "state after"),
        Binding("up", "particle(-1)", "particle", show=False),
        Binding("down", "particle(1)", "particle"),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._particle = ""
        self._step = ""
        """Empty is the newest."""
        self._shown = ""
        """Particle."""
        self._slices: dict[str, list[Preview]] = {}

    def compose(self) -> ComposeResult:
        for name in ("before", "chosen"):
            panel = PicturePanel("slice", id=name)
            panel.table = VIRIDIS
            yield panel

    def draw(self, session: WatchedSession) -> None:
        names = dict.fromkeys(s.particle for s in session.slices.values())
        self._slices = {name: session.slices_of(name) for name in names}
        before, chosen = (self.query_one(f"#{name}", PicturePanel) for name in ("before", "chosen"))
        if not self._slices:
            before.show_none(session.lacks)
            chosen.show_none(session.lacks)
            return
        newest = list(session.slices.values())[-1]
        self._shown = self._particle or newest.particle
        slices = self._slices[self._shown]
        now = next((s for s in slices if s.step == self._step), slices[-1])
        number = slices.index(now) + 1
        for panel, one in ((before, slices[0]), (chosen, now)):
            state = session.states.get(one.step)
            heated = "" if state is None else f" after {state.heated_s:.4g} s"
            which = f" ({number} of {len(slices)})" if panel is chosen else ""
            of = f"{one.particle}{heated}"
            panel.framed([f"{of}, {one.step}{which}", f"{of}{which}", of])
            quality = "" if state is None else f", {state.quality}"
            panel.show(pixels_of(one), f"{one.frames} tilts{quality}", pixel_nm=one.pixel_nm)

    def action_state(self, by: int) -> None:
        slices = self._slices.get(self._shown, [])
        if not slices:
            return
        now = next((n for n, s in enumerate(slices) if s.step == self._step), len(slices) - 1)
        chosen = max(0, min(len(slices) - 1, now + by))
        self._particle = slices[0].particle
        self._step = "" if chosen == len(slices) - 1 else slices[chosen].step
        self.app.redraw()  # type: ignore[attr-defined]  # of the monitor, the one app that has it

    def action_particle(self, by: int) -> None:
        names = list(self._slices)
        if names:
            self._particle, self._step = names[(names.index(self._shown) + by) % len(names)], ""
            self.app.redraw()  # type: ignore[attr-defined]  # as above
