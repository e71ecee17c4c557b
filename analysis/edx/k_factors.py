"""Cliff-Lorimer factors: ``C_A / C_B = K_AB I_A / I_B``, each with its uncertainty.

A user gives a factor per line (``Fe_Ka=1.45``) or of a pair (``Ag_La/Au_Ma=1.44:0.01``), by atoms or by weight. What is
not given is computed from cross section, yield and the line's part, and said to be so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.edx.x_ray_lines import LineFamily, molar_masses
from drivers.errors import ConfigError

Basis = Literal["atomic", "weight"]
_COMPUTED_STD = {"K": 0.05, "L": 0.10, "M": 0.25}
"""Relative, of a computed factor by the shell of its line: spread of published ones about such a computation."""
_GIVEN_ALONE = "the factors given one by one"
_EXACT = 1e-5
"""Relative error of a factor given without one."""
_FORM = re.compile(r"([A-Z][a-z]?_[KLM]a)(?:/([A-Z][a-z]?_[KLM]a))?=([^:]+)(?::(.+))?")


@dataclass(frozen=True)
class KFactors:
    """ln k of each line by atoms, up to a constant common to all."""

    lines: tuple[str, ...]
    ln_k: NDArray[np.float64]
    covariance: NDArray[np.float64]
    """(line, line), of ln k."""
    computed: tuple[str, ...]
    """Lines that no factor given leads to from the others."""


def k_factors(families: Sequence[LineFamily], given: Sequence[str] = (), basis: Basis = "atomic") -> KFactors:
    """The factors of some lines.

    Parameters
    ----------
    given : such as ``Ag_La/Au_Ma=1.44:0.01`` or ``Fe_Ka=1.45``, a value and, after a colon, its standard deviation

    Raises
    ------
    ConfigError
        For words that are no factor, lines that were not asked for, and factors that contradict one another.
    """
    names = [f.name for f in families]
    mass = {f.name: molar_masses()[f.element] for f in families} | {_GIVEN_ALONE: 1.0}
    links, problems = [], []
    for word in given:
        try:
            link = _read(word, names)
        except ValueError as error:
            problems.append(str(error))
            continue
        if basis == "weight":
            link = replace(link, ln_k=link.ln_k - float(np.log(mass[link.line] / mass[link.to])))
        links.append(link)
    alone = [link.line for link in links if link.to == _GIVEN_ALONE]
    if len(alone) == 1:
        problems.append(f"that of {alone[0]} is relative to nothing; give another line's, or a pair's")
    if problems:
        raise ConfigError("k-factors", problems)
    ln_k, covariance = _joined([*names, _GIVEN_ALONE], links)
    ln_k, covariance = ln_k[:-1], covariance[:-1, :-1]
    groups = _groups(names, links)
    for group in groups if len(groups) > 1 else ():
        # What is given rules within a group; how groups stand to one another is computed.
        places = np.array([names.index(name) for name in names if name in group])
        computed = np.array([-np.log(families[n].photons) for n in places])
        std = np.array([_COMPUTED_STD[names[n][-2]] for n in places])
        ln_k[places] += np.mean(computed - ln_k[places])
        covariance[np.ix_(places, places)] += np.sum(std**2) / len(places) ** 2
    loose = tuple(name for name in names if not links or name not in groups[0])
    return KFactors(tuple(names), ln_k, covariance, loose)


@dataclass(frozen=True)
class _Link:
    """ln k of one line less that of another."""

    line: str
    to: str
    ln_k: float
    std: float


def _read(word: str, names: Sequence[str]) -> _Link:
    found = _FORM.fullmatch(word.replace(" ", ""))
    if found is None:
        raise ValueError(f"{word!r} is no factor; write one like Ag_La/Au_Ma=1.44:0.01 or Fe_Ka=1.45")
    line, to, value, error = found.groups()
    unknown = [name for name in (line, to) if name is not None and name not in names]
    if unknown:
        raise ValueError(f"{word!r}: {', '.join(unknown)} is not among the lines {', '.join(names)}")
    try:
        k, std = float(value), float(error or 0.0)
    except ValueError:
        raise ValueError(f"{word!r}: {value!r} and {error!r} should be numbers") from None
    if not (k > 0.0 and std >= 0.0 and np.isfinite([k, std]).all()) or line == to:
        raise ValueError(f"{word!r}: a factor is above 0, its error not below, and a pair has two lines")
    return _Link(line, to or _GIVEN_ALONE, float(np.log(k)), max(std / k, _EXACT))


def _groups(names: Sequence[str], links: Sequence[_Link]) -> list[set[str]]:
    """Lines that factors lead from one to another, the largest group first."""
    groups: list[set[str]] = [{name} for name in names]
    for link in links:
        joined = [g for g in groups if {link.line, link.to} & g]
        groups = [g for g in groups if g not in joined] + [set().union({link.line, link.to}, *joined)]
    lines = [g & set(names) for g in groups]
    return sorted(lines, key=len, reverse=True)


def _joined(nodes: Sequence[str], links: Sequence[_Link]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ln k of each node by least squares, the mean of a linked group being zero, and its covariance."""
    design = np.zeros((len(links), len(nodes)))
    for row, link in zip(design, links, strict=True):
        row[nodes.index(link.line)], row[nodes.index(link.to)] = 1.0, -1.0
    given, std = np.array([link.ln_k for link in links]), np.array([link.std for link in links])
    weighted = design / std[:, None]
    covariance = np.linalg.pinv(weighted.T @ weighted, hermitian=True)
    ln_k = covariance @ (weighted.T @ (given / std))
    problems = [
        f"{link.line} against {link.to} contradicts the others by {100 * miss:.0f} %; leave one out"
        for link, miss in zip(links, np.abs(given - design @ ln_k), strict=True)
        if miss > max(5.0 * link.std, 1e-3)
    ]
    if problems:
        raise ConfigError("k-factors", problems)
    return ln_k, covariance
