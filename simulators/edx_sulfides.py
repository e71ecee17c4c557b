"""The two sulfides of Eggeman et al., Faraday Discuss. 2025.

One of six metals that fell apart into four phases, one of seven in particles.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analysis.edx.x_ray_lines import line_family
from simulators.x_rays import Emission, Map

BEAM_KEV = 200.0
LINE = {
    "Ag": "Ag_La", "Cd": "Cd_La", "Co": "Co_Ka", "Cu": "Cu_Ka", "Fe": "Fe_Ka", "Ga": "Ga_Ka", "In": "In_La",
    "Mn": "Mn_Ka", "S": "S_Ka", "Zn": "Zn_Ka",
}  # fmt: skip
"""By which line each element is measured."""
PHASES = {
    "chalcopyrite": {"Ag": 1.39, "Cd": 0.67, "Cu": 17.6, "Fe": 25.4, "Mn": 2.51, "S": 52.1, "Zn": 0.35},
    "jalpaite": {"Ag": 39.0, "Cd": 15.8, "Cu": 5.06, "Fe": 0.71, "Mn": 0.81, "S": 38.5, "Zn": 0.11},
    "majority wurtzite": {"Ag": 2.78, "Cd": 7.70, "Cu": 1.03, "Fe": 5.56, "Mn": 17.3, "S": 60.2, "Zn": 5.45},
    "minority wurtzite": {"Ag": 10.8, "Cd": 7.00, "Cu": 8.59, "Fe": 10.5, "Mn": 9.45, "S": 51.1, "Zn": 2.45},
}
"""Table 1, workflow 1, at%."""
SEVEN_METALS = {"Ag": 19.19, "Co": 3.24, "Cu": 11.3, "Ga": 2.88, "In": 7.72, "Mn": 0.90, "S": 51.92, "Zn": 2.84}
"""Table 2, workflow 2, at%: the particles as one."""


def section(shape: tuple[int, int], rng: np.random.Generator) -> tuple[NDArray[np.intp], Map]:
    """Which phase is where in a microtome's section, (y, x) by number, and its relative thickness.

    Grains about random points, each of one phase, as wide as a fifth of the field; the section thins to one side.
    """
    points = rng.uniform(0.0, 1.0, (24, 2)) * shape
    phase = rng.permutation(np.arange(len(points)) % len(PHASES))
    rows, columns = np.indices(shape, float)
    away = (rows[..., None] - points[:, 0]) ** 2 + (columns[..., None] - points[:, 1]) ** 2
    return phase[np.argmin(away, axis=-1)], 1.0 + 0.3 * np.sin(2.5 * columns / shape[1])


def particle(shape: tuple[int, int]) -> Map:
    """Relative thickness of a round particle in the field, thinning to its edge."""
    rows, columns = np.indices(shape, float)
    r = np.hypot(rows - 0.5 * (shape[0] - 1), columns - 0.5 * (shape[1] - 1)) / (0.42 * min(shape))
    return np.sqrt(np.maximum(1.0 - r**2, 0.0))


def emission(
    at_pct: Mapping[str, float | Map], thickness: Map, counts_per_pixel: float, *, bremsstrahlung: float = 0.3
) -> Emission:
    """X-rays of a composition, as maps or the same everywhere, at a thickness; the mean pixel gives so many counts."""
    lines = {}
    for element, percent in at_pct.items():
        lines[LINE[element]] = thickness * percent * line_family(LINE[element], BEAM_KEV).photons
    total = np.sum(list(lines.values()), axis=0)
    scale = counts_per_pixel / float(total[thickness > 0.0].mean())
    lines = {name: scale * photons for name, photons in lines.items()}
    support = 0.02 * counts_per_pixel
    return Emission(lines, bremsstrahlung * scale * total + support, BEAM_KEV, {"C_Ka": 3.0, "Au_Ma": 0.3})
