"""Characteristic X-ray lines of the elements: energies, and how strong each is beside the others of its shell.

The tables are made from xraydb by `scripts/x_ray_tables.py`. Electrons of E0 make vacancies in a subshell of n
electrons and edge E in proportion to ``n ln(E0/E) / E`` (Bethe); Coster-Kronig transitions hand them on within a shell;
a yield and a part of the subshell's emission make them photons of one line.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_ELECTRONS = {"K": 2, "L1": 2, "L2": 2, "L3": 4, "M1": 2, "M2": 2, "M3": 4, "M4": 4, "M5": 6}
_MAIN = {"K": ("Ka1", "Ka2", "Ka3"), "L": ("La1", "La2"), "M": ("Ma",)}
_FAINT = 0.01


@dataclass(frozen=True)
class Line:
    """One line of a family."""

    energy_kev: float
    strength: float
    """Photons per photon of the family's main line."""
    subshell: str
    """Where its vacancy was, such as ``L3``."""
    main: bool = False
    """Whether it is of the family's main line: alpha 1 and 2 together."""


@dataclass(frozen=True)
class LineFamily:
    """All lines that vacancies in one shell of an element give."""

    name: str
    """As people write the main line, ``Ag_La``."""
    element: str
    main_kev: float
    """Energy of the main line, the mean of its close components."""
    lines: tuple[Line, ...]
    photons: float
    """Of the main line per atom, in units common to all families at one beam energy."""

    atomic_number: int

    @property
    def shell(self) -> str:
        return self.name[-2]


@dataclass(frozen=True)
class _Edge:
    shell: str
    edge_kev: float
    fluorescence: float
    passed_on: dict[str, float]


@cache
def molar_masses() -> dict[str, float]:
    """In g/mol, of every element that has lines."""
    return {row["element"]: float(row["molar_mass"]) for row in _table("x_ray_edges.csv")}


@cache
def _atomic_numbers() -> dict[str, int]:
    return {row["element"]: int(row["atomic_number"]) for row in _table("x_ray_edges.csv")}


def line_family(name: str, beam_kev: float) -> LineFamily:
    """The family of a line such as ``Ag_La``, ``Fe_Ka`` or ``Au_Ma``.

    Raises
    ------
    ValueError
        When there is no such element or line, or the beam cannot excite it.
    """
    element, _, line = name.partition("_")
    if element not in molar_masses():
        raise ValueError(f"line {name!r}: no element {element!r} with X-ray lines; write one like Ag_La")
    if line not in ("Ka", "La", "Ma"):
        raise ValueError(f"line {name!r}: give the main line of a shell, {element}_Ka, {element}_La or {element}_Ma")
    return _family(element, line[0], beam_kev)


def families_between(low_kev: float, high_kev: float, beam_kev: float, elements: Collection[str]) -> list[LineFamily]:
    """Of some elements, those with a line between two energies that is not much fainter than the main one."""
    found = []
    for element in molar_masses():
        if element not in elements:
            continue
        for shell in "KLM":
            try:
                family = _family(element, shell, beam_kev)
            except ValueError:
                continue
            if any(low_kev < line.energy_kev < high_kev for line in family.lines if line.strength > _FAINT):
                found.append(family)
    return found


@cache
def _family(element: str, shell: str, beam_kev: float) -> LineFamily:
    name = f"{element}_{shell}a"
    rows = [r for r in _table("x_ray_lines.csv") if r["element"] == element and r["shell"][0] == shell]
    if not any(r["line"] in _MAIN[shell] for r in rows):
        raise ValueError(f"line {name!r}: {element} has no such line that a detector sees")
    vacancies = _vacancies(element, shell, beam_kev)
    yields = {e.shell: e.fluorescence for e in _edges(element) if e.shell[0] == shell}
    photons = [vacancies.get(r["shell"], 0.0) * yields.get(r["shell"], 0.0) * float(r["part_of_shell"]) for r in rows]
    main = [(float(r["energy_ev"]), p) for r, p in zip(rows, photons, strict=True) if r["line"] in _MAIN[shell]]
    total = sum(p for _, p in main)
    if total <= 0.0:
        raise ValueError(f"line {name!r}: a beam of {beam_kev:g} keV does not excite it")
    lines = tuple(
        Line(1e-3 * float(r["energy_ev"]), p / total, r["shell"], r["line"] in _MAIN[shell])
        for r, p in zip(rows, photons, strict=True)
        if p > 0.0
    )
    main_kev = 1e-3 * sum(e * p for e, p in main) / total
    return LineFamily(name, element, main_kev, lines, total, _atomic_numbers()[element])


def _vacancies(element: str, shell: str, beam_kev: float) -> dict[str, float]:
    """Of each subshell, those handed on from the deeper ones included."""
    from math import log

    found: dict[str, float] = {}
    for edge in _edges(element):
        if edge.shell[0] != shell or beam_kev <= edge.edge_kev:
            continue
        made = found.get(edge.shell, 0.0) + _ELECTRONS[edge.shell] * log(beam_kev / edge.edge_kev) / edge.edge_kev
        found[edge.shell] = made
        for to, part in edge.passed_on.items():
            found[to] = found.get(to, 0.0) + part * made
    return found


@cache
def _edges(element: str) -> tuple[_Edge, ...]:
    """In the order K, L1, L2, ... so that vacancies are only handed forwards."""
    found = []
    for r in _table("x_ray_edges.csv"):
        if r["element"] == element:
            passed_on = {to: float(part) for to, part in (word.split(":") for word in r["passed_on"].split())}
            found.append(_Edge(r["shell"], 1e-3 * float(r["edge_ev"]), float(r["yield"]), passed_on))
    return tuple(found)


@cache
def _table(name: str) -> tuple[dict[str, str], ...]:
    with files("analysis.edx").joinpath(name).open() as text:
        return tuple(csv.DictReader(text))
