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
_GIVEN_ALONE, _COMPUTED = "the factors given one by one", "the computed ones"
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
    """Lines whose factor nobody gave."""


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
    nodes = [*names, _GIVEN_ALONE, _COMPUTED]
    links, problems = [], []
    for word in given:
        try:
            link = _read(word, names)
        except ValueError as error:
            problems.append(str(error))
            continue
        if basis == "weight":
            mass = {f.name: molar_masses()[f.element] for f in families} | {_GIVEN_ALONE: 1.0}
            link = replace(link, ln_k=link.ln_k - float(np.log(mass[link.line] / mass[link.to])))
        links.append(link)
    if problems:
        raise ConfigError("k-factors", problems)
    given_lines = {line for link in links for line in (link.line, link.to)}
    computed = tuple(name for name in names if name not in given_lines)
    if not _all_linked(names, links):
        links += [_Link(f.name, _COMPUTED, -float(np.log(f.photons)), _COMPUTED_STD[f.name[-2]]) for f in families]
    design = np.zeros((len(links), len(nodes)))
    for row, link in zip(design, links, strict=True):
        row[nodes.index(link.line)], row[nodes.index(link.to)] = 1.0, -1.0
    std = np.array([link.std for link in links])
    weighted = design / std[:, None]
    covariance = np.linalg.pinv(weighted.T @ weighted, hermitian=True)
    ln_k = covariance @ (weighted.T @ (np.array([link.ln_k for link in links]) / std))
    missed = np.abs(np.array([link.ln_k for link in links]) - design @ ln_k)
    for link, miss in zip(links, missed, strict=True):
        if link.to != _COMPUTED and miss > max(5.0 * link.std, 1e-3):
            problems.append(
                f"{link.line} against {link.to} contradicts the others by {100 * miss:.0f} %; leave one out"
            )
    if problems:
        raise ConfigError("k-factors", problems)
    n = len(names)
    return KFactors(tuple(names), ln_k[:n], covariance[:n, :n], computed)


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


def _all_linked(names: Sequence[str], links: Sequence[_Link]) -> bool:
    """Whether the factors given lead from any line to any other."""
    reached, grown = {names[0]}, True
    while grown:
        more = {end for link in links for end in (link.line, link.to) if {link.line, link.to} & reached}
        grown = not more <= reached
        reached |= more
    return set(names) <= reached
