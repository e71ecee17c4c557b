"""What diffusion will do to a particle: its degree of alloying against time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alloyscope import inputs
from alloyscope.card import card
from alloyscope.core_shell import CoreShell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NM2_PER_M2 = 1e18
_ANCHOR_C = 450.0
_SMEARED = 0.1


@dataclass(frozen=True, eq=False)
class DiffusionCourse:
    """The way of a particle to the alloy, as `simulate_diffusion` gives it. Simulated: no data are behind it."""

    seconds: NDArray[np.float64]
    degree: NDArray[np.float64]
    """(time,) from 0, two pure metals, to 1, one alloy."""
    d_m2_per_s: float
    core_fraction: float
    """Of the whole particle; conserved."""
    occupancy: NDArray[np.float32]
    """(z, y, x) part of each voxel inside the particle."""
    start: NDArray[np.float32]
    end: NDArray[np.float32]
    """(z, y, x) atomic fraction of the core's element before any heat, and at the last time."""
    voxel_nm: float
    smeared: float
    """Degree of alloying that the voxels alone feign at the start, where they cut the interface; it fades with time."""

    @property
    def value(self) -> NDArray[np.float64]:
        return self.degree

    @property
    def std(self) -> None:
        """None: calculated, not measured."""
        return

    @property
    def unit(self) -> str:
        return "1"

    @property
    def quality(self) -> str:
        if self.smeared < _SMEARED:
            return "good"
        return (
            f"poor: voxels of {self.voxel_nm:g} nm smear the interface by {self.smeared:.2f} of degree; make them finer"
        )

    def _repr_html_(self) -> str:
        facts: list[tuple[str, object]] = [
            ("D", f"{self.d_m2_per_s:.3g} m2/s"),
            ("core's element", f"{100 * self.core_fraction:.1f} at%"),
        ]
        facts += [(f"after {t:.4g} s", f"{d:.3f}") for t, d in zip(self.seconds, self.degree, strict=True)]
        return card("degree of alloying", facts, quality=self.quality, simulated=True)

    def plot(self) -> Figure:
        """The alloying curve, and the middle slice before and after."""
        from alloyscope.figure import grey, new_figure

        figure, (curve, before, after) = new_figure(3, width=9.5, height=3.2)
        curve.plot(self.seconds, self.degree)
        curve.set(xlabel="time at temperature (s)", ylabel="degree of alloying", ylim=(-0.02, 1.02))
        middle, solid = self.occupancy.shape[0] // 2, self.occupancy[self.occupancy.shape[0] // 2] > 0.5
        how: dict[str, Any] = {"cmap": "cividis", "vmin": 0.0, "vmax": 1.0}
        grey(before, np.where(solid, self.start[middle], np.nan), "0 s", **how)
        shown = grey(after, np.where(solid, self.end[middle], np.nan), f"{self.seconds[-1]:.4g} s", **how)
        figure.colorbar(shown, ax=after, label="core's element")
        return figure


def simulate_diffusion(
    particle: CoreShell,
    seconds: ArrayLike,
    *,
    d_m2_per_s: float | None = None,
    temperature_c: float | None = None,
    q_j_per_mol: float = 208e3,
    d_450_m2_per_s: float = 2.4e-19,
) -> DiffusionCourse:
    """Predict the degree of alloying of a particle against time (Mychinko et al., Small 2021, Figure S4).

    Fick's second law ``dC/dt = D lap C`` without flux through the surface (Mychinko et al., Small 2021, Methods); the
    degree is ``1 - s / sqrt(f (1 - f))``, s the standard deviation of the composition over the particle and f the mean.

    Parameters
    ----------
    seconds : (time,) at temperature, from 0 on, rising
    d_m2_per_s, temperature_c : exactly one; a temperature gives ``D = D_450 exp(-Q/R (1/T - 1/T_450))``
    q_j_per_mol : activation energy; 208 kJ/mol of Chen et al., Part. Part. Syst. Charact. 2023
    d_450_m2_per_s : D at 450 C; 2.4e-19 m2/s of the nanocube NC2 of Mychinko et al., Small 2021

    Raises
    ------
    ValueError
        For times that do not rise, both or neither of D and temperature, or what is not above 0.

    Examples
    --------
    >>> import alloyscope as al
    >>> ball = al.CoreShell("sphere", outer_nm=20.0, core_nm=12.0, voxel_nm=1.0)
    >>> course = al.simulate_diffusion(ball, [0, 30, 300], temperature_c=450)
    >>> [round(float(d), 2) for d in course.degree]
    [0.0, 0.8, 1.0]
    """
    from analysis.diffusion.fick import diffuse

    inputs.instance(particle, CoreShell, "particle", "a CoreShell", "give CoreShell('cube', ...)")
    given = inputs.times(seconds)
    d = _diffusivity(d_m2_per_s, temperature_c, q_j_per_mol, d_450_m2_per_s)
    model = particle.model()
    metal, mean = model.metal, model.core_fraction
    pure = float(np.sqrt(mean * (1.0 - mean)))
    weight = float(np.sum(metal, dtype=np.float64))

    def degree_of(state: NDArray[np.float32]) -> float:
        return 1.0 - float(np.sqrt(np.sum(metal * (state - mean) ** 2, dtype=np.float64) / weight)) / pure

    degree, end = np.zeros(len(given)), model.composition
    states = diffuse(model.composition, metal, d * _NM2_PER_M2 * given, particle.voxel_nm, model.face_fractions)
    for place, state in enumerate(states):
        end = state
        if given[place] > 0.0:
            degree[place] = degree_of(state)
    smeared = degree_of(model.composition)
    return DiffusionCourse(given, degree, d, mean, metal, model.composition, end, particle.voxel_nm, smeared)


def _diffusivity(d_m2_per_s: object, temperature_c: object, q_j_per_mol: object, d_450_m2_per_s: object) -> float:
    if (d_m2_per_s is None) == (temperature_c is None):
        found = "neither" if d_m2_per_s is None else "both"
        raise ValueError(f"d_m2_per_s, temperature_c: asked for exactly one, found {found}; give the one that is known")
    if d_m2_per_s is not None:
        return inputs.above_zero(d_m2_per_s, "d_m2_per_s", "m2/s")
    from drivers.units import GAS_CONSTANT_J_PER_MOL_K, kelvin

    celsius = inputs.celsius(temperature_c, "temperature_c")
    q = inputs.above_zero(q_j_per_mol, "q_j_per_mol", "J/mol")
    anchor = inputs.above_zero(d_450_m2_per_s, "d_450_m2_per_s", "m2/s")
    inverse = 1.0 / kelvin(celsius) - 1.0 / kelvin(_ANCHOR_C)
    return float(anchor * np.exp(-q / GAS_CONSTANT_J_PER_MOL_K * inverse))
