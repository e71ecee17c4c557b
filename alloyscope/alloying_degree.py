"""How far a particle has alloyed in each of its states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alloyscope import inputs
from alloyscope.card import card
from alloyscope.particle_state import ParticleState
from alloyscope.quantity import Quantity, told

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.results import Result, StateResult


@dataclass(frozen=True, eq=False)
class AlloyingDegrees:
    """The degree of alloying of every state, as `alloying` gives it."""

    states: tuple[Quantity, ...]
    """Each with its own quality; value None where it could not be told."""
    heated_s: NDArray[np.float64]
    """(state,) total time at temperature."""
    simulated: bool = False

    @property
    def value(self) -> NDArray[np.float64]:
        """(state,), 0 unalloyed to 1 fully alloyed; not a number where it could not be told."""
        return np.array([np.nan if s.value is None else s.value for s in self.states])

    @property
    def std(self) -> NDArray[np.float64]:
        """(state,)"""
        return np.array([np.nan if s.std is None else s.std for s in self.states])

    @property
    def unit(self) -> str:
        return "1"

    @property
    def quality(self) -> str:
        """``good``, or the poor states with their number from 0."""
        poor = [f"state {n}: {s.quality.removeprefix('poor: ')}" for n, s in enumerate(self.states) if not s.good]
        return "good" if not poor else "poor: " + "; ".join(poor)

    def _repr_html_(self) -> str:
        facts = [(f"after {t:.4g} s", str(s)) for t, s in zip(self.heated_s, self.states, strict=True)]
        return card("degree of alloying", facts, quality=self.quality, simulated=self.simulated)

    def plot(self) -> Figure:
        """Degree of alloying against total time at temperature."""
        from alloyscope.figure import new_figure

        figure, (axes,) = new_figure()
        axes.errorbar(self.heated_s, self.value, self.std, fmt="o", capsize=3)
        axes.set(xlabel="time at temperature (s)", ylabel="degree of alloying", ylim=(-0.05, 1.05))
        return figure


def alloying(
    states: Sequence[ParticleState], *, core: str = "Au", shell: str = "Ag", seed: int = 0, spread: str = "std"
) -> AlloyingDegrees:
    """Degree of alloying of a particle in each of its states.

    ``1 - (s - s_alloyed) / (s(0) - s_alloyed)`` with s the spread of the reconstructed voxel values, corrected for
    what reconstruction does to it by simulating the particle's own measurement (Mychinko et al., Small 2021, Methods).
    It is the degree as a reconstruction shows it: where a core is but a dozen pixels wide it runs ahead of the metals'
    own, which `simulate_diffusion` gives, by some 0.1. D is fitted to the projections and does not.

    Parameters
    ----------
    states : in order, the first before any heat
    core, shell : elements, such as ``Au`` and ``Ag``
    seed : of the noise in simulated measurements; one seed gives the same numbers twice
    spread : ``std`` (Mychinko et al.), ``variance``, ``mad``, ``iqr`` or ``histogram``

    Raises
    ------
    ValueError
        For states that are none, or a first one that was heated. Poor data give values None and a quality instead.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> blank = al.ParticleState(np.random.default_rng(0).poisson(3.0, (9, 32, 32)), np.arange(-60, 61, 15), 0.8)
    >>> found = al.alloying([blank])
    >>> found.states[0].value is None, found.quality.startswith("poor")
    (True, True)
    """
    from analysis.results import StateResult

    told_by = [
        r for r in results_of(states, core=core, shell=shell, seed=seed, spread=spread) if isinstance(r, StateResult)
    ]
    return degrees_of(states, told_by)


def degrees_of(states: Sequence[ParticleState], told_by: Sequence[StateResult]) -> AlloyingDegrees:
    """One degree per state, from what the analysis said of each."""
    degrees = []
    for result in told_by:
        value, std = (None, None) if result.alloying is None else (result.alloying.value, result.alloying.total)
        degrees.append(told(value, std, "1", result.quality))
    heated_s = np.cumsum([s.heated_s for s in states])
    return AlloyingDegrees(tuple(degrees), heated_s, any(s.simulated for s in states))


def results_of(
    states: Sequence[ParticleState], *, core: str, shell: str, seed: int, spread: str, window: str = "centre"
) -> list[Result]:
    """Everything the analysis of a session says of these states, in order."""
    from analysis.alloying.spread import SPREADS
    from analysis.live.pipeline import Pipeline
    from analysis.live.settings import AnalysisSettings

    given = checked_states(states)
    for name, element in (("core", core), ("shell", shell), ("window", window)):
        if not isinstance(element, str) or not element:
            raise ValueError(f"{name}: asked for a name such as 'Au', found {element!r}; give a string")
    inputs.one_of(spread, "spread", tuple(SPREADS))
    pipeline = Pipeline(AnalysisSettings(seed=inputs.whole(seed, "seed", 0), spread=spread))
    found: list[Result] = []
    heat: tuple[tuple[float, float], ...] = ()
    seq = 0
    for number, state in enumerate(given):
        heat += tuple(state.heat)
        for item in state.frames(f"c{number:02d}/tilt", seq, heat, core=core, shell=shell, window=window):
            found += pipeline.feed(item)
            seq += 1
    return found


def checked_states(states: Sequence[ParticleState], least: int = 1) -> list[ParticleState]:
    """States of one particle in order, the first unheated."""
    inputs.instance(states, (list, tuple), "states", "a list of ParticleState", "give [state, ...]")
    for place, state in enumerate(states):
        remedy = "make one of the images, tilts and pixel size"
        inputs.instance(state, ParticleState, f"states[{place}]", "a ParticleState", remedy)
    if len(states) < least:
        kind = "one state" if least == 1 else "the unheated state and at least one heated one"
        raise ValueError(
            f"states: asked for {kind}, found {len(states)}; give all tilt series of the particle in order"
        )
    if states[0].heat:
        raise ValueError(
            f"states[0]: asked for the particle before any heat, found {len(states[0].heat)} pulse(s); "
            "begin with the unheated tilt series, heat=()"
        )
    return list(states)
