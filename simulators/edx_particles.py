"""Particles as EDX maps see them: how much of each element the beam goes through in every pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.x_rays import Emission, Map

_DEPTHS, _PARTS = 400, 4
"""Points along the beam, and across a pixel each way."""


@dataclass(frozen=True)
class Ball:
    """A ball whose composition depends on the distance from its centre."""

    radius_nm: float
    fractions: Callable[[NDArray[np.float64]], Mapping[str, NDArray[np.float64]]]
    """Atomic fraction of each element at a radius in nm."""


def segregated_ball(radius_nm: float, core: float, surface: float, shell_nm: float) -> Ball:
    """Silver and gold: even within, and more silver in a shell up to the surface (Moreira et al., Figure 3)."""

    def fractions(r_nm: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        silver = core + (surface - core) * np.clip((r_nm - radius_nm + shell_nm) / max(shell_nm, 1e-9), 0.0, 1.0)
        return {"Ag": silver, "Au": 1.0 - silver}

    return Ball(radius_nm, fractions)


def amounts(ball: Ball, shape: tuple[int, int], pixel_nm: float, centre_px: tuple[float, float]) -> dict[str, Map]:
    """Atoms of each element over every pixel (y, x), as nm of beam path."""
    offsets = (np.arange(_PARTS) + 0.5) / _PARTS - 0.5
    z_nm = (np.arange(_DEPTHS) + 0.5) / _DEPTHS * ball.radius_nm
    rows, columns = np.indices(shape, float)
    found: dict[str, Map] = {}
    for dy in offsets:
        for dx in offsets:
            across = pixel_nm * np.hypot(rows + dy - centre_px[0], columns + dx - centre_px[1])
            near = across < ball.radius_nm
            r_nm = np.sqrt(across[near][:, None] ** 2 + z_nm**2)
            inside = r_nm < ball.radius_nm
            for element, fraction in ball.fractions(r_nm).items():
                path = np.zeros(shape)
                path[near] = 2.0 * ball.radius_nm / _DEPTHS * np.sum(fraction * inside, axis=1)
                found[element] = found.get(element, np.zeros(shape)) + path / _PARTS**2
    return found


def emission(
    atoms: Mapping[str, Map],
    k: Mapping[str, float],
    photons_per_nm: float,
    beam_kev: float,
    *,
    stray: Mapping[str, float] | None = None,
    bremsstrahlung: float = 0.25,
) -> Emission:
    """Photons that amounts of elements give: of a line, its element's amount over the line's factor (by atoms).

    Parameters
    ----------
    k : Cliff-Lorimer factor of each line, such as ``{"Ag_La": 1.44, "Au_Ma": 1.0}``
    bremsstrahlung : photons of all energies per photon of the lines; a tenth of the brightest pixel's from the support
    """
    lines = {name: photons_per_nm * atoms[name.partition("_")[0]] / factor for name, factor in k.items()}
    characteristic = np.sum(list(lines.values()), axis=0)
    support = float(characteristic.max()) * np.ones_like(characteristic)
    return Emission(lines, bremsstrahlung * (characteristic + 0.1 * support), beam_kev, dict(stray or {}))
