"""Where the particle goes: its composition as a smooth function of tau = D t."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.diffusivity_law import CONSTANT, DiffusivityLaw
from analysis.diffusion.fick import diffuse
from analysis.particle_model.model import ParticleModel
from analysis.tomography.projector import Volume

_RATIO = 1.35
_FIRST_PX2 = 0.15
_MOST_NODES = 40
_SPREAD_LEFT = 0.002


_SLOPE, _PEAK = 1.5, 0.8
"""Of ln D, either way: how composition goes there is simulated; between, it is a parabola."""


class CompositionTrajectory:
    """Compositions at rising tau from one integration; cubic in ln tau between them.

    Further integrations tell how the way bends where D changes with composition.
    """

    def __init__(self, model: ParticleModel, voxel_nm: float, *, bending: bool = True) -> None:
        self._shape, self._inside = model.metal.shape, model.metal > 0.0
        self._metal = model.metal[self._inside]
        self.voxel_nm = voxel_nm
        start = model.composition[self._inside]
        self.mean = float(np.vdot(self._metal, start) / self._metal.sum(dtype=np.float64))
        self._start = self._spread(start)
        ladder = _FIRST_PX2 * voxel_nm**2 * _RATIO ** np.arange(_MOST_NODES)
        ladder = ladder[: max(4, int(np.sum(ladder < model.longest_tau_nm2(voxel_nm))))]
        self._nodes: list[NDArray[np.float32]] = []
        for composition in self._way(model, ladder, CONSTANT):
            self._nodes.append(composition)
            if len(self._nodes) >= 4 and self._spread(composition) < _SPREAD_LEFT * self._start:
                break
        ladder = ladder[: len(self._nodes)]
        self._ln_tau = np.log(ladder)
        laws = [DiffusivityLaw(slope=s) for s in (-_SLOPE, _SLOPE)] + [DiffusivityLaw(peak=p) for p in (-_PEAK, _PEAK)]
        self._bent = [list(self._way(model, ladder, law)) for law in laws] if bending else []

    def _way(
        self, model: ParticleModel, ladder: NDArray[np.float64], law: DiffusivityLaw
    ) -> Iterator[NDArray[np.float32]]:
        for c in diffuse(model.composition, model.metal, ladder, self.voxel_nm, model.face_fractions, law):
            yield c[self._inside]

    def at(self, ln_tau: float, law: DiffusivityLaw = CONSTANT) -> tuple[Volume, Volume]:
        """Composition at ln tau (tau in nm2), and its slope with ln tau."""
        first, value, slope = self._weights(ln_tau)
        whole = value, slope
        here, by_tau = (self._mixed(self._nodes, first, w) for w in whole)
        if self._bent and not law.constant:
            for bent, part in zip(self._bent, _parts(law), strict=True):
                for total, w in zip((here, by_tau), whole, strict=True):
                    total += np.float32(part) * (self._mixed(bent, first, w) - self._mixed(self._nodes, first, w))
        return self._volume(here), self._volume(by_tau)

    def by_law(self, ln_tau: float, law: DiffusivityLaw = CONSTANT) -> tuple[Volume, Volume]:
        """Change of the composition with the law's slope and with its peak."""
        first, value, _ = self._weights(ln_tau)
        here = self._mixed(self._nodes, first, value)
        away = [self._mixed(bent, first, value) - here for bent in self._bent]
        found = []
        for place, (size, x) in enumerate(((_SLOPE, law.slope), (_PEAK, law.peak))):
            below, above = away[2 * place : 2 * place + 2]
            found.append(self._volume((above - below) / np.float32(2 * size) + np.float32(x / size**2) * (above + below)))
        return found[0], found[1]

    def _weights(self, ln_tau: float) -> tuple[int, list[float], list[float]]:
        """The first of four nodes, and what each counts for the value and for its slope."""
        x = float(np.clip(ln_tau, self._ln_tau[0], self._ln_tau[-1]))
        first = int(np.clip(np.searchsorted(self._ln_tau, x) - 2, 0, len(self._ln_tau) - 4))
        knots = self._ln_tau[first : first + 4]
        value, slope = [], []
        for i, knot in enumerate(knots):
            others = np.delete(knots, i)
            basis = np.poly1d(np.poly(others)) / float(np.prod(knot - others))
            value.append(float(basis(x)))
            slope.append(float(basis.deriv()(x)))
        return first, value, slope

    def _mixed(self, nodes: list[NDArray[np.float32]], first: int, weights: list[float]) -> NDArray[np.float32]:
        return sum((np.float32(w) * nodes[first + i] for i, w in enumerate(weights)), np.zeros_like(self._metal))

    def _volume(self, inside: NDArray[np.float32]) -> Volume:
        whole = np.zeros(self._shape, np.float32)
        whole[self._inside] = inside
        return whole

    def degree(self, ln_tau: float) -> float:
        """Degree of alloying: how much of the composition's spread is gone, 0..1."""
        return 1.0 - self._spread_at(ln_tau) / self._start

    def degree_of_metals(self, ln_tau: float) -> float:
        """Degree of alloying from two pure metals, whose spread no voxel has smoothed: `sqrt(f (1 - f))`."""
        pure = float(np.sqrt(self.mean * (1.0 - self.mean)))
        return 1.0 - self._spread_at(ln_tau) / pure

    def degree_slope(self, ln_tau: float, step: float = 0.05) -> float:
        return (self.degree(ln_tau + step) - self.degree(ln_tau - step)) / (2.0 * step)

    def ln_tau_at(self, degree: float) -> float:
        """About where a degree of alloying is reached: linear between the nodes."""
        return float(np.interp(degree, [self.degree(float(x)) for x in self._ln_tau], self._ln_tau))

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest ln tau that the trajectory knows."""
        return float(self._ln_tau[0]), float(self._ln_tau[-1])

    def _spread_at(self, ln_tau: float) -> float:
        first, value, _ = self._weights(ln_tau)
        return self._spread(self._mixed(self._nodes, first, value))

    def _spread(self, composition: NDArray[np.float32]) -> float:
        w = self._metal
        return float(np.sqrt(np.sum(w * (composition - np.float32(self.mean)) ** 2) / np.sum(w)))


def _parts(law: DiffusivityLaw) -> list[float]:
    """How much of each bent way is in that of this law: parabolas through nothing and both ends."""
    parts: list[float] = []
    for x in (law.slope / _SLOPE, law.peak / _PEAK):
        parts += [0.5 * x * (x - 1.0), 0.5 * x * (x + 1.0)]
    return parts
