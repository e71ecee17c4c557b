"""The diffusion coefficient of a particle from its tilt series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alloyscope.alloying_degree import AlloyingDegrees, checked_states, degrees_of, results_of
from alloyscope.card import card
from alloyscope.particle_state import ParticleState
from alloyscope.quantity import Quantity, told

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.results import DiffusivityResult


@dataclass(frozen=True, eq=False)
class ParticleDiffusivity:
    """D per temperature, with the degrees of alloying and the curve behind it, as `fit_diffusivity` gives it."""

    by_temperature: dict[float, Quantity]
    """By temperature in C; m2/s, value None where D is only bounded."""
    degrees: AlloyingDegrees
    curve_s: NDArray[np.float64]
    curve: NDArray[np.float64]
    """The fitted degree of alloying at these times, for drawing; empty where there is no fit."""
    quality: str
    simulated: bool

    @property
    def temperatures_c(self) -> NDArray[np.float64]:
        return np.array(list(self.by_temperature))

    @property
    def value(self) -> NDArray[np.float64]:
        """(temperature,) D; not a number where it could not be told."""
        return np.array([np.nan if d.value is None else d.value for d in self.by_temperature.values()])

    @property
    def std(self) -> NDArray[np.float64]:
        """(temperature,)"""
        return np.array([np.nan if d.std is None else d.std for d in self.by_temperature.values()])

    @property
    def unit(self) -> str:
        return "m2/s"

    def _repr_html_(self) -> str:
        facts = [(f"D({t:g} C)", str(d)) for t, d in self.by_temperature.items()]
        facts += [
            (f"alloying after {t:.4g} s", str(d))
            for t, d in zip(self.degrees.heated_s, self.degrees.states, strict=True)
        ]
        return card("diffusion coefficient", facts, quality=self.quality, simulated=self.simulated)

    def plot(self) -> Figure:
        """The alloying curve: measured degrees with their errors, and the fit."""
        figure = self.degrees.plot()
        (axes,) = figure.axes
        axes.plot(self.curve_s, self.curve, color="0.3", zorder=0)
        axes.set_title(", ".join(f"D({t:g} C) = {d}" for t, d in self.by_temperature.items()), fontsize="small")
        return figure


def fit_diffusivity(
    states: Sequence[ParticleState],
    *,
    core: str = "Au",
    shell: str = "Ag",
    seed: int = 0,
    spread: str = "std",
    window: str = "centre",
) -> ParticleDiffusivity:
    """D of a particle at each temperature that it was heated to, from all its states together.

    ``dC/dt = D lap C`` inside the particle, no flux through its surface (Mychinko et al., Small 2021, Methods), fitted
    to the projections of every heated state by maximum likelihood.

    Parameters
    ----------
    states : in order; the first before any heat, and at least one after
    core, shell, seed, spread : as for `alloying`
    window : name of the chip's window that it lies in

    Raises
    ------
    ValueError
        For fewer than two states, or a first one that was heated. Poor data give values None and a quality instead.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> particle = al.CoreShell("sphere", 26.0, 16.0, voxel_nm=1.2)
    >>> course = al.simulate_diffusion(particle, [0, 60, 120], d_m2_per_s=2.4e-19)
    >>> tilts = np.arange(-70, 71, 5)
    >>> draw = np.random.default_rng(0).poisson
    >>> def state(composition, heat):
    ...     volume = np.pad(course.occupancy * (1 + composition), 4)
    ...     return al.ParticleState(draw(40 * al.project(volume, tilts)), tilts, 1.2, heat, simulated=True)
    >>> found = al.fit_diffusivity([state(course.start, []), state(course.end, [(450, 120)])])
    >>> found.unit, bool(abs(found.value[0] / 2.4e-19 - 1) < 0.1)
    ('m2/s', True)
    """
    from analysis.results import DiffusivityResult, StateResult

    given = checked_states(states, least=2)
    results = results_of(given, core=core, shell=shell, seed=seed, spread=spread, window=window)
    of_states = [r for r in results if isinstance(r, StateResult)]
    fits = [r for r in results if isinstance(r, DiffusivityResult)]
    degrees = degrees_of(given, of_states)
    if not fits:
        nothing = np.zeros(0)
        quality = next((r.quality for r in of_states if r.quality != "good"), "poor: no state to fit D to")
        temperatures = sorted({round(t, 1) for s in given for t, _ in s.heat})
        none = {t: Quantity(None, None, "m2/s", quality) for t in temperatures}
        return ParticleDiffusivity(none, degrees, nothing, nothing, quality, degrees.simulated)
    return _of(fits[-1], degrees)


def _of(fit: DiffusivityResult, degrees: AlloyingDegrees) -> ParticleDiffusivity:
    found = {
        d.temperature_c: told(d.value if d.known else None, d.total, "m2/s", fit.quality) for d in fit.diffusivities
    }
    curve_s, curve = np.asarray(fit.curve_s, np.float64), np.asarray(fit.curve, np.float64)
    return ParticleDiffusivity(found, degrees, curve_s, curve, fit.quality, degrees.simulated)
