"""A small HTML table, by which every result shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_MOST_ROWS = 30


def card(title: str, rows: Iterable[tuple[str, object]], *, quality: str = "good", simulated: bool = False) -> str:
    """Rows of a name and a value; what is poor, or simulated, stands on top.

    Examples
    --------
    >>> from alloyscope.card import card
    >>> "SIMULATED" in card("NC2", [("steps", 10)], simulated=True)
    True
    """
    listed = list(rows)
    lines = []
    if title:
        mark = " <span style='color:#b35900'>SIMULATED</span>" if simulated else ""
        lines.append(f"<caption style='text-align:left'><b>{escape(title)}</b>{mark}</caption>")
    if quality != "good":
        lines.append(f"<tr><td colspan=2 style='text-align:left;color:#b35900'>{escape(quality)}</td></tr>")
    for name, value in listed[:_MOST_ROWS]:
        lines.append(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
        )
    if len(listed) > _MOST_ROWS:
        lines.append(f"<tr><td colspan=2>and {len(listed) - _MOST_ROWS} more</td></tr>")
    return f"<table>{''.join(lines)}</table>"
