"""Every state of every particle in a table that scrolls."""

from __future__ import annotations

from math import isnan

from rich.text import Text
from textual.widgets import DataTable

from analysis.results import Estimate, StateResult
from controller.monitor.panels.drawn import entitle
from controller.monitor.state import WatchedSession

_COLUMNS = ("particle", "heated", "alloying", "volume (nm3)", "tilts", "quality")
_NARROW = 64
"""Columns up to which cells have one between them, so that no number is cut where the room ends."""


class StatesTable(DataTable[str | Text]):
    """The newest at the end."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1)
        self.border_title = "states"
        self._told: dict[str, tuple[str, ...]] = {}

    def on_mount(self) -> None:
        for name in _COLUMNS:
            self.add_column(f"{name} ", key=name)

    def on_resize(self) -> None:
        self.cell_padding = int(self.size.width > _NARROW)

    def draw(self, session: WatchedSession) -> None:
        for step, state in session.states.items():
            cells = tuple(f"{cell} " for cell in state_in_cells(state, session))
            if step not in self._told:
                self.add_row(*cells, key=step)
            elif cells != self._told[step]:
                for name, cell in zip(_COLUMNS, cells, strict=True):
                    self.update_cell(step, name, cell, update_width=True)
            else:
                continue
            self._told[step] = cells
        entitle(self, subtitle=f"{len(self._told)}" if self._told else "none yet")


def state_in_cells(state: StateResult, session: WatchedSession) -> tuple[str, ...]:
    """Volume against that of the particle's first state; a degree that is not known is a stroke."""
    first = next(s for s in session.states.values() if s.particle == state.particle)
    return (
        state.particle,
        f"{state.heated_s:.4g} s",
        "-" if state.alloying is None else str(state.alloying),
        state.volume_in_words if state.step == first.step else _in_percent(state.change_of_volume(first)),
        f"{state.frames}/{state.planned}",
        state.quality,
    )


def _in_percent(change: Estimate | None) -> str:
    if change is None:
        return ""
    std = "" if isnan(change.std) else f" +- {100.0 * change.std:.1f}"
    return f"{round(100.0 * change.value, 1) + 0.0:+.1f}{std} %"
