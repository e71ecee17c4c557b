"""Where the particle goes: its composition as a smooth function of tau = D t."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.fick import diffuse
from analysis.particle_model.model import ParticleModel
from analysis.tomography.projector import Volume

_RATIO = 1.35
_FIRST_PX2 = 0.15
_MOST_NODES = 40
_SPREAD_LEFT = 0.002


class CompositionTrajectory:
    """Compositions at rising tau from one integration; cubic in ln tau between them."""

    def __init__(self, model: ParticleModel, voxel_nm: float, ln_d_slope: float = 0.0) -> None:
        self._metal = model.metal
        self.voxel_nm = voxel_nm
        self._mean = model.core_fraction
        self._start = self._spread(model.composition)
        self._ln_tau: NDArray[np.float64]
        self._nodes: list[Volume] = []
        ladder = _FIRST_PX2 * voxel_nm**2 * _RATIO ** np.arange(_MOST_NODES)
        ladder = ladder[: max(4, int(np.sum(ladder < model.longest_tau_nm2(voxel_nm))))]
        for composition in diffuse(model.composition, model.metal, ladder, voxel_nm, model.face_fractions, ln_d_slope):
            self._nodes.append(composition)
            if len(self._nodes) >= 4 and self._spread(composition) < _SPREAD_LEFT * self._start:
                break
        self._ln_tau = np.log(ladder[: len(self._nodes)])

    def at(self, ln_tau: float) -> tuple[Volume, Volume]:
        """Composition at ln tau (tau in nm2), and its slope."""
        x = float(np.clip(ln_tau, self._ln_tau[0], self._ln_tau[-1]))
        first = int(np.clip(np.searchsorted(self._ln_tau, x) - 2, 0, len(self._ln_tau) - 4))
        knots = self._ln_tau[first : first + 4]
        value, slope = np.zeros_like(self._metal), np.zeros_like(self._metal)
        for i, knot in enumerate(knots):
            others = np.delete(knots, i)
            basis = np.poly1d(np.poly(others)) / float(np.prod(knot - others))
            value += np.float32(basis(x)) * self._nodes[first + i]
            slope += np.float32(basis.deriv()(x)) * self._nodes[first + i]
        return value, slope

    def degree(self, ln_tau: float) -> float:
        """Degree of alloying: how much of the composition's spread is gone, 0..1."""
        return 1.0 - self._spread(self.at(ln_tau)[0]) / self._start

    def degree_of_metals(self, ln_tau: float) -> float:
        """Degree of alloying from two pure metals, whose spread no voxel has smoothed: `sqrt(f (1 - f))`."""
        pure = float(np.sqrt(self._mean * (1.0 - self._mean)))
        return 1.0 - self._spread(self.at(ln_tau)[0]) / pure

    def degree_slope(self, ln_tau: float, step: float = 0.05) -> float:
        return (self.degree(ln_tau + step) - self.degree(ln_tau - step)) / (2.0 * step)

    def ln_tau_at(self, degree: float) -> float:
        """About where a degree of alloying is reached: linear between the nodes."""
        return float(np.interp(degree, [self.degree(float(x)) for x in self._ln_tau], self._ln_tau))

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest ln tau that the trajectory knows."""
        return float(self._ln_tau[0]), float(self._ln_tau[-1])

    def _spread(self, composition: Volume) -> float:
        w = self._metal
        return float(np.sqrt(np.sum(w * (composition - self._mean) ** 2) / np.sum(w)))
