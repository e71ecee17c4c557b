"""What tables leave open of a family of lines: how strong its lines are beside the main one, and where they lie.

A family falls into groups, each of lines from one subshell whose part of it is known no better than another's:

- **Strengths**, by one standard deviation of their logarithm. Two published tables (Elam, Ravel and Sieber 2002, ours;
  NIST's DTSA) differ by this much, root mean square over elements whose lines lie between 0.7 and 25 keV: K-beta 0.12
  from titanium to selenium, and more up to argon, where bonds shape the shell that it comes from; L1 0.21; L2 0.12, and
  0.7 up to zinc, whose 3d shell is outermost; outer L3 0.11, and 0.3 with metals whose 4d or 5d shell is not full; L-l
  0.23; M4 0.62; the rest of M 1.1. Tables are smooth from element to element: neighbours are off by about the same.
  What a detector's window and the specimen itself take from the softer line of a family is within these.
- **Places**, in keV. NIST's energies and those of the X-Ray Data Booklet agree to 1 eV (K), 1.5 eV (L) and 2.5 eV (M),
  most of it by what bonds do to an atom, which shifts a family as a whole, and a group against its main line by half
  as much. A detector's axis is straight to about half a per mille of an energy; by that, too, a family is off as a
  whole.

Main lines have strength 1 by definition: a factor k is that of the main line's photons, alpha 1 and 2 together, not of
all its family's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp, hypot

import numpy as np
from numpy.typing import NDArray

from analysis.edx.x_ray_lines import Line, LineFamily

_K_BETA, _K_BETA_BONDED, _BONDED_KEV = 0.1, 0.3, 3.2
_L1, _L2, _L2_BONDED, _L2_BONDED_KEV = 0.25, 0.15, 0.7, 1.1
_OUTER_L3, _L_L = 0.3, 0.25
_M4, _REST_OF_M = 0.6, 1.1
_OUTER = 1.02
"""Lines from so many times the main line's energy are made by the outer shells' electrons."""
_PLACE_KEV = {"K": 0.0010, "L": 0.0015, "M": 0.0025}
_AGAINST_MAIN = 0.5
_STRAIGHT = 5e-4
"""Of an energy."""
_SHARED, _NEIGHBOURS = 0.8, 10.0
"""Correlation of strengths of one kind, and over how many elements it falls."""
_FAINT = 0.02
"""Of the main line: where a group this faint lies does not matter."""


@dataclass(frozen=True)
class Open:
    """One thing about one of several families that its table leaves open."""

    family: int
    """Its number."""
    group: tuple[int, ...]
    """The numbers of those of its lines that it is about."""
    std: float
    """Of the logarithm of their strength, or of their energy in keV."""
    place: bool
    """Whether it is where they lie; else it is how strong they are."""
    kind: str
    """Such as ``L2``: what groups of other elements have in common with it."""


def left_open(families: Sequence[LineFamily]) -> tuple[Open, ...]:
    """Of all families, in their order."""
    return tuple(one for number, family in enumerate(families) for one in _of(number, family))


def covariance(families: Sequence[LineFamily], opened: Sequence[Open]) -> NDArray[np.float64]:
    """Of what is open, before a spectrum is seen."""
    std = np.array([one.std for one in opened])
    number = np.array([families[one.family].atomic_number for one in opened], np.float64)
    alike = np.array([[a.kind == b.kind and not (a.place or b.place) for a in opened] for b in opened])
    shared = _SHARED * np.exp(-np.abs(number[:, None] - number) / _NEIGHBOURS) * alike
    return np.asarray(np.outer(std, std) * np.where(np.eye(len(opened)) > 0.0, 1.0, shared), np.float64)


def with_values(families: Sequence[LineFamily], opened: Sequence[Open], values: Sequence[float]) -> list[LineFamily]:
    """The families, with what is open so far off: ln of strengths, keV of places."""
    lines = [list(family.lines) for family in families]
    for one, value in zip(opened, values, strict=True):
        for n in one.group:
            line = lines[one.family][n]
            lines[one.family][n] = (
                replace(line, energy_kev=line.energy_kev + value)
                if one.place
                else replace(line, strength=line.strength * exp(value))
            )
    return [replace(family, lines=tuple(new)) for family, new in zip(families, lines, strict=True)]


def _of(number: int, family: LineFamily) -> Iterator[Open]:
    groups: dict[tuple[str, float], list[int]] = {}
    for n, line in enumerate(family.lines):
        groups.setdefault(("main", 0.0) if line.main else _group(family, line), []).append(n)
    table_kev = _PLACE_KEV[family.shell]
    yield Open(number, tuple(range(len(family.lines))), hypot(table_kev, _STRAIGHT * family.main_kev), True, "")
    for (kind, std), members in groups.items():
        if kind == "main":
            continue
        yield Open(number, tuple(members), std, False, kind)
        if sum(family.lines[n].strength for n in members) > _FAINT:
            yield Open(number, tuple(members), _AGAINST_MAIN * table_kev, True, kind)


def _group(family: LineFamily, line: Line) -> tuple[str, float]:
    """Which group a line beside the main one is of, and how well the group's strength is known."""
    main_kev = family.main_kev
    if family.shell == "K":
        return "beta", _K_BETA_BONDED if main_kev < _BONDED_KEV else _K_BETA
    if family.shell == "L":
        if line.subshell == "L1":
            return "L1", _L1
        if line.subshell == "L2":
            return "L2", _L2_BONDED if main_kev < _L2_BONDED_KEV else _L2
        return ("outer", _OUTER_L3) if line.energy_kev > _OUTER * main_kev else ("l", _L_L)
    if line.energy_kev < main_kev:
        return f"{line.subshell} inner", _REST_OF_M
    return (line.subshell, _M4) if line.subshell == "M4" else (f"{line.subshell} outer", _REST_OF_M)
