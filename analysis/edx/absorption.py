"""X-rays that the specimen takes back: softer lines come out weaker, the more so the thicker it is.

Of a line made evenly through a film of density rho and thickness t, seen under an angle a above the film, a part
``(1 - exp(-c)) / c`` comes out, ``c = (mu/rho) rho t / sin a`` (Goldstein, Costley, Lorimer and Reed, SEM/1977 I,
315). So a factor k is larger by the inverse. The mass absorption coefficients mu/rho are those of the specimen's own
composition, and of Elam, Ravel and Sieber's tables (Radiat. Phys. Chem. 63 (2002) 121), made by
`scripts/x_ray_tables.py`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from analysis.edx.k_factors import KFactors
from analysis.edx.x_ray_lines import LineFamily, molar_masses
from drivers.errors import ConfigError

_CM_PER_NM = 1e-7
_ROUNDS = 20
_SOFT_KEV, _SOFT_STD, _HARD_STD = 1.0, 0.2, 0.05
"""Relative errors of mass absorption coefficients, below and above."""
_DENSITY_STD = 0.05
_NOT_THIN = 1.0
"""Of c: beyond, less than two thirds of a line come out."""
_USUAL = 5.0, 20.0
"""Density and take-off angle by which it is told when absorption matters."""


@dataclass(frozen=True)
class Film:
    """An even film whose X-rays leave by the side that the detector looks at."""

    thickness_nm: float
    thickness_std_nm: float
    density_g_per_cm3: float
    take_off_deg: float
    """Above the film's own surface: that of detector and tilt together."""

    def __post_init__(self) -> None:
        problems = []
        if not (0.0 < self.thickness_nm < 1e5 and 0.0 <= self.thickness_std_nm < 1e5):
            problems.append(f"thickness {self.thickness_nm:g} nm: a film has more than 0 and less than 100000 nm")
        if not 0.01 <= self.density_g_per_cm3 <= 25.0:
            problems.append(f"density {self.density_g_per_cm3:g} g/cm3: solids have 0.01 to 25")
        if not 1.0 <= self.take_off_deg <= 90.0:
            problems.append(f"take-off angle {self.take_off_deg:g} deg: it is 1 to 90, above the film's surface")
        if problems:
            raise ConfigError("absorption", problems)

    def depths(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """c of lines with some mass absorption coefficients in cm2/g."""
        through_cm = self.thickness_nm * _CM_PER_NM / np.sin(np.radians(self.take_off_deg))
        return np.asarray(coefficients * self.density_g_per_cm3 * through_cm)


def with_absorption(
    factors: KFactors, families: Sequence[LineFamily], counts: NDArray[np.float64], film: Film
) -> tuple[KFactors, list[str]]:
    """The factors of a film for a spectrum with these counts (line), and what a person should know of them.

    The errors of thickness, density and coefficients are added to those of the factors.
    """
    n = len(factors.lines)
    asked = list(families[:n])
    each = _coefficients(asked)
    c, ln_k = np.zeros(n), factors.ln_k
    for _ in range(_ROUNDS):
        c = film.depths(_by_weight(asked, counts, ln_k) @ each)
        ln_k = factors.ln_k + np.log(_lost(c))
    slope = 1.0 - c / np.expm1(np.maximum(c, 1e-9))  # d ln lost / d ln c
    of_lines = np.array([_SOFT_STD if f.main_kev < _SOFT_KEV else _HARD_STD for f in asked])
    of_film = np.hypot(film.thickness_std_nm / film.thickness_nm, _DENSITY_STD)
    covariance = factors.covariance + np.diag((slope * of_lines) ** 2) + of_film**2 * np.outer(slope, slope)
    notes = [
        f"of {f.name}, {100 * (1.0 - 1.0 / lost):.0f} % are absorbed: no thin film, take its composition with care"
        for f, lost, depth in zip(asked, _lost(c), c, strict=True)
        if depth > _NOT_THIN
    ]
    parts = ", ".join(f"{f.name} {100 * (1.0 - 1.0 / lost):.1f} %" for f, lost in zip(asked, _lost(c), strict=True))
    of_what = f"{film.thickness_nm:g} nm of {film.density_g_per_cm3:g} g/cm3 under {film.take_off_deg:g} deg"
    return replace(factors, ln_k=ln_k, covariance=covariance), [f"absorption in {of_what} corrected: {parts}", *notes]


def thickness_that_matters_nm(
    factors: KFactors, families: Sequence[LineFamily], counts: NDArray[np.float64], fraction: float = 0.01
) -> float:
    """From how many nm on absorption changes some atomic fraction by so much, at 5 g/cm3 under 20 deg."""
    asked = list(families[: len(factors.lines)])
    amounts = np.maximum(counts, 0.0) * np.exp(factors.ln_k)
    plain = amounts / amounts.sum()
    coefficients = _by_weight(asked, counts, factors.ln_k) @ _coefficients(asked)
    for thickness_nm in np.geomspace(1.0, 1e4, 160):
        held = amounts * _lost(Film(float(thickness_nm), 0.0, *_USUAL).depths(coefficients))
        if np.abs(held / held.sum() - plain).max() > fraction:
            return float(thickness_nm)
    return float("inf")


def mass_absorption(element: str, energy_kev: float) -> float:
    """In cm2/g; between the table's energies by a power law."""
    energies_ev, values = _table()[element]
    return float(np.exp(np.interp(np.log(1e3 * energy_kev), np.log(energies_ev), np.log(values))))


def _lost(c: NDArray[np.float64]) -> NDArray[np.float64]:
    """Photons made over those that come out."""
    return np.where(c > 1e-6, c / -np.expm1(-np.maximum(c, 1e-6)), 1.0 + 0.5 * c)


def _by_weight(
    families: Sequence[LineFamily], counts: NDArray[np.float64], ln_k: NDArray[np.float64]
) -> NDArray[np.float64]:
    weights = np.maximum(counts, 0.0) * np.exp(ln_k) * [molar_masses()[f.element] for f in families]
    return np.asarray(weights / max(float(weights.sum()), 1e-300), np.float64)


def _coefficients(families: Sequence[LineFamily]) -> NDArray[np.float64]:
    """(element, line) in cm2/g."""
    return np.array([[mass_absorption(f.element, line.main_kev) for line in families] for f in families])


@cache
def _table() -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Energies in eV and coefficients in cm2/g by element; an edge is twice the same energy."""
    rows: dict[str, list[tuple[float, float]]] = {}
    with files("analysis.edx").joinpath("mass_absorption.csv").open() as text:
        for row in csv.DictReader(text):
            rows.setdefault(row["element"], []).append((float(row["energy_ev"]), float(row["cm2_per_g"])))
    found = {}
    for element, pairs in rows.items():
        energies, values = np.array(pairs).T
        found[element] = energies + 1e-3 * np.arange(len(energies)), values
    return found
