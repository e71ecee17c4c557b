"""The plan as a table: what is over, what runs, what comes and when; a step that has not begun can be chosen."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import NamedTuple

from rich.text import Text
from textual.widgets import DataTable

from controller.events import PlannedStep
from controller.monitor.panels.drawn import entitle, same
from controller.monitor.state import WatchedSession
from drivers.units import clock_time

_BEFORE, _MOST = 40, 240
"""Rows above the step that runs, and in all: a plan of weeks has thousands."""
_MARKS = {"over": "✓", "now": "▶", "left": " ", "skipped": "✗"}
_STYLES = {"over": "dim", "now": "bold green", "left": "", "skipped": "dim strike"}


class PlannedRow(NamedTuple):
    """Of one step."""

    step: str
    when: str
    """over, now, left or skipped"""
    starts: str
    words: str
    takes: str


class PlanTable(DataTable[Text]):
    """Past, present and future."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1)
        self.border_title = "plan"
        self._rows: list[PlannedRow] = []

    def on_mount(self) -> None:
        for name in ("", "starts", "step", "what", "takes"):
            self.add_column(name, key=name or "mark")

    @property
    def chosen(self) -> PlannedRow | None:
        """The row of the cursor."""
        return self._rows[self.cursor_row] if 0 <= self.cursor_row < len(self._rows) else None

    def draw(self, session: WatchedSession) -> None:
        rows = plan_rows(session)
        entitle(self, subtitle=plan_in_words(session))
        if rows == self._rows:
            return
        if [r.step for r in rows] != [r.step for r in self._rows]:
            kept = self.chosen
            self.clear()
            for row in rows:
                self.add_row(*_cells(row), key=row.step)
            wanted = None if kept is None else kept.step
            steps = [r.step for r in rows]
            now = next((n for n, r in enumerate(rows) if r.when == "now"), 0)
            self.move_cursor(row=steps.index(wanted) if wanted in steps else now)
        else:
            columns = list(self.columns)
            for old, new in zip(self._rows, rows, strict=True):
                for key, was, cell in zip(columns, _cells(old), _cells(new), strict=True):
                    if not same(was, cell):
                        self.update_cell(new.step, key, cell, update_width=True)
        self._rows = rows


def plan_rows(session: WatchedSession) -> list[PlannedRow]:
    """Of the steps around the one that runs; times are of day where the session runs in real time."""
    real_time = session.started is not None and session.started.real_time
    reached = 0 if session.progress is None else session.progress.step_number
    taken = list(accumulate(not s.skipped for s in session.plan))
    running = bisect_left(taken, reached) if reached else 0
    first = max(0, min(running - _BEFORE, len(session.plan) - _MOST))
    begins_s = {step.step: at_s for at_s, step in session.ahead()}
    rows = []
    for number, planned in zip(taken[first : first + _MOST], session.plan[first : first + _MOST], strict=True):
        when = "skipped" if planned.skipped else "over" if number < reached else "now" if number == reached else "left"
        if when == "now" and session.over:
            when = "over" if session.progress_is_whole else "left"
        at_s, starts = begins_s.get(planned.step), ""
        if at_s is not None:
            starts = session.clock_at(at_s - session.time_s) if real_time else clock_time(at_s)
        rows.append(PlannedRow(planned.step, when, starts, planned.words, clock_time(planned.takes_s)))
    return rows


def plan_in_words(session: WatchedSession) -> str:
    """How many steps there are, and are left."""
    steps, skipped = len(_not_skipped(session)), sum(s.skipped for s in session.plan)
    if not session.plan:
        return "no plan is told"
    also = f", {skipped} skipped" if skipped else ""
    return f"{0 if session.progress is None else session.progress.step_number} of {steps}{also}"


def _not_skipped(session: WatchedSession) -> list[PlannedStep]:
    return [s for s in session.plan if not s.skipped]


def _cells(row: PlannedRow) -> list[Text]:
    words = (_MARKS[row.when], row.starts, row.step, row.words, row.takes)
    return [Text(word, style=_STYLES[row.when]) for word in words]
