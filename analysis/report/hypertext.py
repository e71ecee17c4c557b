"""Pages of HTML that need nothing else and print well: their style, tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.report.figures import ReportFigure


_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, "Segoe UI", Roboto, sans-serif; color: #1b1f24; margin: 0 auto; max-width: 52rem;
       padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 1.8rem 0 .5rem; }
.ribbon { background: #f6c344; color: #3b2c00; font-weight: 700; letter-spacing: .12em; text-align: center;
          padding: .3rem; margin: 0 -1.5rem 1rem; }
.verdict { border-left: .3rem solid #2e7d32; padding: .3rem .8rem; background: #f4f6f8; }
.verdict.doubt { border-color: #b3541e; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #d8dee4; vertical-align: top; }
th { font-weight: 600; }
.d { font-size: 1.25rem; font-weight: 600; } .small { color: #57606a; font-size: .85rem; }
figure { margin: 1.2rem 0; break-inside: avoid; } figure svg { width: 100%; height: auto; }
figcaption { color: #57606a; font-size: .85rem; } pre { font-size: .8rem; background: #f4f6f8; padding: .6rem;
overflow-x: auto; white-space: pre-wrap; }
figure.moving img { max-width: 100%; }
@media screen and (max-width: 45rem) { table { display: block; overflow-x: auto; } }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } details, figure.moving { display: none; }
               .ribbon { margin: 0 0 .6rem; } h2 { break-after: avoid; } tr { break-inside: avoid; }
               figure { margin: .4rem 0; } figure svg { max-height: 8.2cm; } }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page; its parts are HTML already."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def ribbon(text: str) -> str:
    """Across the page, at its top."""
    return f'<div class="ribbon">{escape(text)}</div>'


def versions() -> str:
    """Of the programs that made the numbers."""
    return ", ".join(f"{name} {version(name)}" for name in ("alloyscope", "numpy", "scipy", "numba"))


def figure(drawn: ReportFigure, svg: str) -> str:
    """A figure with its caption."""
    return f'<figure id="{escape(drawn.name)}">{svg}<figcaption>{words(drawn.caption)}</figcaption></figure>'


def words(text: str) -> str:
    """As HTML, with the sign that a terminal need not have."""
    return escape(text).replace(" +- ", " ± ")


def table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already."""
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
