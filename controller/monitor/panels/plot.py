"""Curves in braille dots, eight a character, with marks for single points, and axes with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from controller.monitor.panels.drawn import DrawnRows, entitle, in_runs
from drivers.units import clock_time

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_DASH = 4
"""Dots that are drawn of a dashed line before as many that are not."""
_AROUND = 0.02
"""Of a single x, on both sides of it."""
CLOCK = "h:mm:ss"
"""The unit of an axis of session time."""


@dataclass(frozen=True)
class Curve:
    """Points to draw: joined, or single with error bars."""

    x: Sequence[float]
    y: Sequence[float]
    style: str
    joined: bool = True
    std: Sequence[float] = ()
    name: str = ""
    """What the legend says; nothing is said of a curve without one."""
    mark: str = "●"
    """Of single points: colour alone tells nobody apart."""
    dashed: bool = False
    breaks: frozenset[int] = frozenset()
    """Points that are not joined to the next one: nothing is known between them."""

    @property
    def legend(self) -> str:
        """Glyph and name."""
        return f"{('╌' if self.dashed else '─') if self.joined else self.mark} {self.name}" if self.name else ""


class Plot(DrawnRows):
    """A framed plot; give it curves with `show`."""

    def __init__(self, title: str, unit: str, *, id: str, y_range: tuple[float, float] | None = None) -> None:
        super().__init__(id=id)
        self.border_title = title
        self.unit = unit
        self._y_range = y_range
        self.curves: list[Curve] = []
        self._told: tuple[list[Curve], tuple[float, float] | None, str] | None = None

    def show(self, curves: list[Curve], y_range: tuple[float, float] | None = None) -> None:
        told = ([c for c in curves if len(c.x)], y_range or self._y_range, self.unit)
        if told == self._told and self.is_drawn:
            return
        self._told = told
        self.curves, self._y_range, _ = told
        entitle(self, subtitle="  ".join(c.legend for c in self.curves if c.name))
        self.draw_anew()

    def drawn(self, width: int, height: int) -> Text:
        return draw(self.curves, width, height, self.unit, self._y_range)


def draw(curves: list[Curve], width: int, height: int, unit: str, y_range: tuple[float, float] | None = None) -> Text:
    """Render curves into `width` x `height` characters, the left-most for the y axis, the last line for x."""
    if not curves or width < 16 or height < 3:
        return Text("nothing to draw yet", style="dim")
    ys = [v for c in curves for v in c.y]
    low, high = y_range if y_range else (min(ys), max(ys))
    if high - low < 1e-9:
        low, high = low - 1.0, high + 1.0
    left, right = min(c.x[0] for c in curves), max(max(c.x) for c in curves)
    if right <= left:
        left, right = (left - _AROUND * abs(left), left + _AROUND * abs(left)) if left else (0.0, 1.0)
    gutter = max(len(f"{low:g}"), len(f"{high:.4g}"), 3) + 1
    columns, rows = width - gutter, height - 1
    dots = [[0] * columns for _ in range(rows)]
    styles = [[""] * columns for _ in range(rows)]
    marks: dict[tuple[int, int], str] = {}

    def put(px: int, py: int, style: str) -> None:
        if 0 <= px < 2 * columns and 0 <= py < 4 * rows:
            dots[py // 4][px // 2] |= _DOTS[py % 4][px % 2]
            styles[py // 4][px // 2] = style

    def dots_of(curve: Curve) -> NDArray[np.int64]:
        px = (np.asarray(curve.x, float) - left) / (right - left) * (2 * columns - 1)
        py = (high - np.asarray(curve.y, float)) / (high - low) * (4 * rows - 1)
        return np.rint(np.stack([px, py], axis=1)).astype(np.int64)

    for curve in curves:
        points = dots_of(curve)
        if curve.joined:
            moves = np.flatnonzero((points[1:] != points[:-1]).any(axis=1))  # thousands of readings share a dot
            if not moves.size:
                put(int(points[0, 0]), int(points[0, 1]), curve.style)
            for n in moves.tolist():
                (x0, y0), (x1, y1) = points[n : n + 2].tolist()
                if n in curve.breaks:
                    put(x0, y0, curve.style)
                    put(x1, y1, curve.style)
                    continue
                steps = max(abs(x1 - x0), abs(y1 - y0), 1)
                for i in range(steps + 1):
                    px, py = round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps)
                    along = px if abs(x1 - x0) >= abs(y1 - y0) else py
                    if not curve.dashed or along // _DASH % 2 == 0:  # wherever the curve begins
                        put(px, py, curve.style)
        else:
            for i, (px, py) in enumerate(points.tolist()):
                if i < len(curve.std):
                    reach = round(curve.std[i] / (high - low) * (4 * rows - 1))
                    for dy in range(-reach, reach + 1):
                        put(px, py + dy, curve.style)
                if 0 <= px < 2 * columns and 0 <= py < 4 * rows:
                    marks[py // 4, px // 2] = curve.mark
                    styles[py // 4][px // 2] = curve.style
    return _assemble(dots, styles, marks, gutter, (low, high), (left, right), unit)


def _assemble(
    dots: list[list[int]],
    styles: list[list[str]],
    marks: dict[tuple[int, int], str],
    gutter: int,
    y: tuple[float, float],
    x: tuple[float, float],
    unit: str,
) -> Text:
    out = Text(no_wrap=True)
    for row, (bits, row_styles) in enumerate(zip(dots, styles, strict=True)):
        label = f"{y[1]:.4g}" if row == 0 else (f"{y[0]:.4g}" if row == len(dots) - 1 else "")
        out.append(label.rjust(gutter - 1) + " ", style="dim")
        dotted = (marks.get((row, column), chr(0x2800 + bit)) for column, bit in enumerate(bits))
        out.append(in_runs(zip(dotted, row_styles, strict=True)))
        out.append("\n")
    start, end = (clock_time(v) for v in x) if unit == CLOCK else (f"{x[0]:.4g}", f"{x[1]:.4g} {unit}")
    space = max(1, len(dots[0]) - len(start) - len(end))
    out.append(" " * gutter + start + " " * space + end, style="dim")
    return out
