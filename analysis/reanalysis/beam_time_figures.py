"""The figures of a beam time's report: every D beside all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from analysis.reanalysis.many import AnalysedSource
from analysis.reanalysis.result_table import Row, d_of, known_of
from analysis.report.figures import COLOURS, MARKS, ReportFigure, new_figure
from analysis.results import DiffusivityResult, StateResult
from drivers.units import kelvin

_NAMED, _MOST_ROWS = 40, 160
"""Particles that have their names beside their D, of more names would lie on each other; rows that make a figure
higher."""
_ROW_IN, _LEAST_IN = 0.2, 2.4
_BELOW = 0.95
"""Of a value, by which an error bar goes down at most, on a logarithmic axis."""

Course: TypeAlias = tuple[str, str, float, DiffusivityResult]
"""Session, particle, its unheated volume in nm3, and its D."""


def beam_time_figures(sources: Sequence[AnalysedSource], rows: Sequence[Row]) -> Iterator[ReportFigure]:
    """All that the results give reason for."""
    known = known_of(rows)
    if known:
        yield _each_d(known)
    if len({row.temperature_c for row in known}) > 1:
        yield _by_temperature(known)
    courses = list(_courses(sources))
    if courses:
        yield _collapsed(courses)


def _each_d(known: Sequence[Row]) -> ReportFigure:
    """In the table's order, from the top; what is poor is hollow."""
    temperatures = sorted({row.temperature_c or 0.0 for row in known})
    figure, (axes,) = new_figure(height=max(_LEAST_IN, 0.8 + _ROW_IN * min(len(known), _MOST_ROWS)))
    told: list[dict[str, Any]] = []
    for place, row in enumerate(known):
        of_kind = temperatures.index(row.temperature_c or 0.0)
        colour, d, good = COLOURS[of_kind % len(COLOURS)], d_of(row), row.quality == "good"
        how: dict[str, Any] = {"fmt": MARKS[of_kind % len(MARKS)], "color": colour, "ms": 4}
        how["mfc"] = colour if good else "white"
        axes.errorbar(d.value, place, xerr=[[min(d.total, _BELOW * d.value)], [d.total]], elinewidth=0.8, **how)
        axes.errorbar(d.value, place, xerr=[[min(d.std, _BELOW * d.value)], [d.std]], elinewidth=2.2, **how)
        told.append({"session": row.session, "particle": row.particle, "temperature_c": row.temperature_c})
        told[-1] |= {"d_m2_per_s": d.value, "std_m2_per_s": d.std, "total_std_m2_per_s": d.total}
        told[-1]["quality"] = row.quality
    for number, temperature_c in enumerate(temperatures):
        axes.plot(
            [], [], MARKS[number % len(MARKS)], color=COLOURS[number % len(COLOURS)], label=f"{temperature_c:g} °C"
        )
    axes.set(xscale="log", xlabel="D (m²/s)", ylim=(len(known) - 0.5, -0.5))
    names = [f"{row.session}, {row.particle}" for row in known] if len(known) <= _NAMED else []
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.grid(axis="x", lw=0.4, alpha=0.5)
    axes.legend(frameon=False, fontsize=8)
    caption = (
        "D of each particle, in the order of the table: thick its statistical, thin its whole standard deviation. "
        "The chip's temperature is most of that, and common to all of one session. Hollow: called poor."
    )
    return ReportFigure("d_of_each", caption, figure, told)


def _by_temperature(known: Sequence[Row]) -> ReportFigure:
    figure, (axes,) = new_figure()
    names = list(dict.fromkeys((row.session, row.particle) for row in known))
    told: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        own = [row for row in known if (row.session, row.particle) == name]
        ds = [d_of(row) for row in own]
        inverse = [1e3 / kelvin(row.temperature_c or 0.0) for row in own]
        values, totals = np.array([d.value for d in ds]), np.array([d.total for d in ds])
        below = np.minimum(totals, _BELOW * values)
        colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        label = f"{name[0]}, {name[1]}" if len(names) <= _NAMED // 4 else None
        axes.errorbar(inverse, values, [below, totals], fmt=mark, color=colour, ms=4, capsize=2, label=label)
        for row, x, d in zip(own, inverse, ds, strict=True):
            told.append({"session": row.session, "particle": row.particle, "window": row.window})
            told[-1] |= {"per_1000_k": x, "d_m2_per_s": d.value, "total_std_m2_per_s": d.total}
    axes.set(yscale="log", xlabel="1000 / T (1/K)", ylabel="D (m²/s)")
    if len(names) <= _NAMED // 4:
        axes.legend(frameon=False, fontsize=8)
    caption = "D against temperature, each with its whole standard deviation; windows at their nominal temperature."
    return ReportFigure("d_by_temperature", caption, figure, told)


def _courses(sources: Sequence[AnalysedSource]) -> Iterator[Course]:
    """Particles whose D is one, with what it takes to draw them over each other."""
    for source in sources:
        for fit in {r.place: r for r in source.results if isinstance(r, DiffusivityResult)}.values():
            states = [r for r in source.results if isinstance(r, StateResult) and r.particle == fit.particle]
            volume_nm3 = next((s.volume_nm3 for s in states if s.volume_nm3), None)
            one = len(fit.diffusivities) == 1 and fit.diffusivities[0].known
            if volume_nm3 and one and len(fit.measured) > 0:
                yield source.name, fit.particle, volume_nm3, fit


def _collapsed(courses: Sequence[Course]) -> ReportFigure:
    """Particles of one shape and composition lie on one curve, whatever their size and temperature."""
    figure, (axes,) = new_figure()
    told: list[dict[str, Any]] = []
    for number, (session, particle, volume_nm3, fit) in enumerate(courses):
        reduced = np.array(fit.heated_s) * fit.diffusivities[0].value * 1e18 / volume_nm3 ** (2.0 / 3.0)
        degree, std = np.array([m.value for m in fit.measured]), np.array([m.total for m in fit.measured])
        colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        label = f"{session}, {particle}" if len(courses) <= _NAMED // 4 else None
        axes.errorbar(reduced, degree, std, fmt=mark, ls="-", lw=0.6, color=colour, ms=4, label=label)
        for x, measured in zip(reduced, fit.measured, strict=True):
            told.append({"session": session, "particle": particle, "d_t_over_size_squared": float(x)})
            told[-1] |= {"alloying": measured.value, "alloying_total_std": measured.total}
    axes.set(xscale="log", xlabel="D t / V^(2/3)", ylabel="degree of alloying", ylim=(-0.05, 1.08))
    if len(courses) <= _NAMED // 4:
        axes.legend(frameon=False, fontsize=8)
    caption = (
        "Degree of alloying against diffusion done, each by its own D and over its own size squared: particles of one "
        "shape and composition lie on one curve, so one beside it differs in more than D."
    )
    return ReportFigure("alloying_of_each", caption, figure, told)
