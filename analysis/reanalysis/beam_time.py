"""The report of a beam time: many sessions and manifests on one page, each D beside all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.reanalysis.many import AnalysedSource
from analysis.reanalysis.result_table import Row, d_of, known_of, rows_of, write_table
from analysis.report import hypertext
from analysis.report.report import MARK, check_plots, made_whole, write_figures
from analysis.results import Arrhenius, Estimate
from drivers.errors import ConfigError
from drivers.units import counted

if TYPE_CHECKING:
    from analysis.report.figures import ReportFigure

_TABLE = "results.csv"
_METHODS = (
    "As each session's own report says (alloyscope report FOLDER). D has a statistical standard deviation, by "
    "counting, and a systematic one, by all that counting longer does not help. The temperature's calibration is "
    "common to the particles of a session: many of them do not average it away."
)
_DOUBTS = 12
"""That are told at the top; more are in the table alone."""


def check_beam_time_report(target: Path) -> None:
    """Refuse a place that holds something, before anything is analysed; also where nothing can be drawn."""
    check_plots()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError("--report", [f"{target} is there already; name a new folder"])


def write_beam_time_report(sources: Sequence[AnalysedSource], target: Path) -> Path:
    """``report.html`` with its figures, their numbers and the table; gives the page.

    Raises
    ------
    ConfigError
        Where it cannot be written.
    """
    from analysis.reanalysis.beam_time_figures import beam_time_figures

    rows = rows_of(sources)
    try:
        with made_whole(target) as part:
            drawn = write_figures(beam_time_figures(sources, rows), part / "figures")
            write_table(part / _TABLE, rows)
            (part / MARK).write_text(_page(sources, rows, drawn))
    except OSError as error:
        raise ConfigError("--report", [f"{target} cannot be written: {error.strerror or error}"]) from None
    return target / MARK


def _page(sources: Sequence[AnalysedSource], rows: Sequence[Row], drawn: Sequence[tuple[ReportFigure, str]]) -> str:
    known = known_of(rows)
    particles = {(row.session, row.particle) for row in rows if row.particle}
    title = f"{counted(len(sources), 'source')}, {counted(len(particles), 'particle')}"
    without = len(particles - {(row.session, row.particle) for row in known})
    poor = [row for row in rows if row.quality != "good"]
    lead = (
        f"{len(known)} values of D, {counted(without, 'particle')} without one, {counted(len(poor), 'row')} not good."
    )
    of = [", ".join(filter(None, (row.session, row.particle))) for row in poor]
    doubts = "".join(f"<br>{escape(name)}: {escape(row.quality)}" for name, row in zip(of, poor, strict=True))
    if len(poor) > _DOUBTS:
        doubts = "<br>Each says why in the table."
    parts = [
        *_ribbon(rows),
        f"<h1>{escape(title)}</h1>",
        f'<div class="verdict{" doubt" if poor else ""}">{escape(lead)}{doubts}</div>',
        *(hypertext.figure(figure, svg) for figure, svg in drawn),
        "<h2>Every D</h2>",
        hypertext.table(
            ("session", "particle", "window", "T (°C)", "D (m²/s)", "states after heat", "alloyed", "quality"),
            [_cells(row) for row in rows],
        ),
        *_laws(sources),
        f"<h2>Methods</h2><p>{escape(_METHODS)}</p>",
        f"<h2>Provenance</h2><p>{escape(hypertext.versions())}; the numbers are in <code>{_TABLE}</code>.</p>",
    ]
    return hypertext.document(title, parts)


def _ribbon(rows: Sequence[Row]) -> Iterator[str]:
    simulated = {(row.session, row.particle) for row in rows if row.simulated}
    every = {(row.session, row.particle) for row in rows if row.simulated is not None}
    if simulated == every and every:
        yield hypertext.ribbon("SIMULATED: no real specimen was measured")
    elif simulated:
        yield hypertext.ribbon(f"{counted(len(simulated), 'particle')} of {len(every)} SIMULATED: see the table")


def _cells(row: Row) -> tuple[str, ...]:
    alloying = "-"
    if row.alloying is not None:
        budget = {"all": row.alloying_std_systematic} if row.alloying_std_systematic else None
        alloying = str(Estimate(row.alloying, row.alloying_std or 0.0, budget))
    return (
        escape(row.session) + (" (SIMULATED)" if row.simulated else ""),
        escape(row.particle) or "-",
        escape(row.window or "-"),
        "-" if row.temperature_c is None else f"{row.temperature_c:g}",
        "-" if row.d_m2_per_s is None else hypertext.words(d_of(row).both),
        str(row.states),
        hypertext.words(alloying),
        escape(row.quality),
    )


def _laws(sources: Sequence[AnalysedSource]) -> Iterator[str]:
    """Activation energies and windows, session by session."""
    told = [
        (escape(source.name), hypertext.words(words))
        for source in sources
        for law in [r for r in source.results if isinstance(r, Arrhenius)][-1:]
        for words in law.words()
    ]
    if told:
        yield "<h2>All particles of a session together</h2>" + hypertext.table(("session", "what they tell"), told)
