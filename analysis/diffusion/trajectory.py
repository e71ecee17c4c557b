"""Where the particle goes: its composition as a smooth function of tau = D t."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.diffusivity_law import CONSTANT, DiffusivityLaw
from analysis.diffusion.fick import ROUGHLY, diffuse
from analysis.particle_model.model import ParticleModel
from analysis.particle_model.surfaces import face_fractions
from analysis.tomography.projector import Volume

_RATIO = 1.35
_FIRST_PX2 = 0.15
_MOST_NODES = 40
_SPREAD_LEFT = 0.002
_LEAST_OCCUPANCY = 0.02
_MANY_VOXELS = 60_000
_AT_ONCE = 8_000
"""Voxels, so that many nodes of a large particle take no memory."""
_SLOPE, _PEAK = 1.5, 0.8
"""Of ln D, either way: how composition goes there is simulated; between, it is a parabola."""


class CompositionTrajectory:
    """Compositions at rising tau from one integration; cubic in ln tau between them.

    Further integrations tell how the way bends where D changes with composition otherwise than `about`.
    """

    def __init__(
        self, model: ParticleModel, voxel_nm: float, about: DiffusivityLaw = CONSTANT, *, bending: bool = True
    ) -> None:
        self.about = about
        self._inside = model.metal > 0.0
        self._metal = model.metal[self._inside]
        self.voxel_nm = voxel_nm
        start = model.composition[self._inside]
        order = np.zeros(self._inside.shape, np.int32)
        order[self._inside] = np.arange(len(start))
        self._continued = order[_nearest(self._inside)]
        """Of each voxel, which one inside it takes after."""
        self.mean = float(np.vdot(self._metal, start) / self._metal.sum(dtype=np.float64))
        self._start = self._spread(start)
        ladder = _FIRST_PX2 * voxel_nm**2 * _RATIO ** np.arange(_MOST_NODES)
        ladder = ladder[: max(4, int(np.sum(ladder < model.longest_tau_nm2(voxel_nm))))]
        self._nodes: list[NDArray[np.float32]] = []
        for whole in diffuse(model.composition, model.metal, ladder, voxel_nm, model.face_fractions, about):
            composition = whole[self._inside]
            self._nodes.append(composition)
            if len(self._nodes) >= 4 and self._spread(composition) < _SPREAD_LEFT * self._start:
                break
        ladder = ladder[: len(self._nodes)]
        self._ln_tau = np.log(ladder)
        self._model, self._bending = model, bending

    def at(self, ln_tau: float, law: DiffusivityLaw | None = None) -> tuple[Volume, Volume]:
        """Composition at ln tau (tau in nm2), and its slope; by default of the law that it was simulated at."""
        bent = CONSTANT if law is None else law.beside(self.about)
        first, value, slope = self._weights(ln_tau)
        whole = value, slope
        here, by_tau = (_mixed(self._nodes, first, w) for w in whole)
        if self._bending and not bent.constant:
            here, by_tau = (v + self._bends.away(first, w, bent) for v, w in zip((here, by_tau), whole, strict=True))
        return self._volume(here), self._volume(by_tau)

    def by_law(self, ln_tau: float, law: DiffusivityLaw) -> tuple[Volume, Volume]:
        """Change of the composition with the law's slope and with its peak."""
        assert self._bending, "asked only of one that knows how it bends"
        first, value, _ = self._weights(ln_tau)
        by_slope, by_peak = self._bends.slopes(first, value, law.beside(self.about))
        return self._volume(by_slope), self._volume(by_peak)

    def foresee(self) -> None:
        """Have at hand how the way bends, which the first heated state needs."""
        if self._bending:
            _ = self._bends

    @cached_property
    def _bends(self) -> _Bends:
        """Four more simulations beside a plain one, which no particle needs before it is heated."""
        return _Bends(self._model, np.exp(self._ln_tau) / self.voxel_nm**2, self._inside, self.about)

    def _weights(self, ln_tau: float) -> tuple[int, list[float], list[float]]:
        """The first of four nodes, and what each counts for the value and for its slope."""
        x = float(np.clip(ln_tau, self._ln_tau[0], self._ln_tau[-1]))
        first = int(np.clip(np.searchsorted(self._ln_tau, x) - 2, 0, len(self._ln_tau) - 4))
        knots = [float(knot) for knot in self._ln_tau[first : first + 4]]
        value, slope = [], []
        for knot in knots:
            others = [other for other in knots if other != knot]
            scale = math.prod(knot - other for other in others)
            away = [x - other for other in others]
            value.append(math.prod(away) / scale)
            slope.append((away[0] * away[1] + away[1] * away[2] + away[2] * away[0]) / scale)
        return first, value, slope

    def _volume(self, inside: NDArray[np.float32]) -> Volume:
        """Continued beyond the particle, whose surface may move."""
        return inside[self._continued]

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
        return float(np.interp(degree, self._degrees, self._ln_tau))

    @cached_property
    def _degrees(self) -> NDArray[np.float64]:
        """At the nodes."""
        return np.array([self.degree(float(x)) for x in self._ln_tau])

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest ln tau that the trajectory knows."""
        return float(self._ln_tau[0]), float(self._ln_tau[-1])

    def _spread_at(self, ln_tau: float) -> float:
        first, value, _ = self._weights(ln_tau)
        near = slice(first, first + len(value))
        weights = np.array(value)
        return float(np.sqrt(max(0.0, weights @ self._products[near, near] @ weights)))

    @cached_property
    def _products(self) -> NDArray[np.float64]:
        """Covariances of the nodes' compositions over the metal: of them the spread anywhere between is made."""
        found = np.zeros((len(self._nodes),) * 2)
        for begin in range(0, len(self._metal), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            away = np.stack([node[part] for node in self._nodes]).astype(np.float64) - self.mean
            found += (away * self._metal[part]) @ away.T
        return np.asarray(found / self._metal.sum(dtype=np.float64))

    def _spread(self, composition: NDArray[np.float32]) -> float:
        w = self._metal
        return float(np.sqrt(np.sum(w * (composition - np.float32(self.mean)) ** 2) / np.sum(w)))


class _Bends:
    """How the way bends where D changes with composition: differences between ways, small and smooth.

    Large particles have them simulated on voxels twice as wide, which makes them a few per cent wrong.
    """

    def __init__(
        self, model: ParticleModel, ladder_px2: NDArray[np.float64], inside: NDArray[np.bool_], about: DiffusivityLaw
    ) -> None:
        wide = 2 if np.count_nonzero(inside) > _MANY_VOXELS else 1
        outside, core, metal = (
            _halved(f) if wide == 2 else f.copy() for f in (model.outside, model.metal * model.composition, model.metal)
        )
        outside /= np.float32(wide)
        metal = np.where(metal > _LEAST_OCCUPANCY, metal, 0.0).astype(np.float32)
        start = np.asarray(np.divide(core, metal, out=np.zeros_like(core), where=metal > 0))
        faces = face_fractions(outside)
        laws = [CONSTANT, *(DiffusivityLaw(slope=s) for s in (-_SLOPE, _SLOPE))]
        laws += [DiffusivityLaw(peak=p) for p in (-_PEAK, _PEAK)]
        laws = [law.beyond(about) for law in laws]
        ways = [list(diffuse(start, metal, ladder_px2, float(wide), faces, law, ROUGHLY)) for law in laws]
        nearest = _nearest(metal > 0.0)
        self._away = [[(c - plain)[nearest] for c, plain in zip(way, ways[0], strict=True)] for way in ways[1:]]
        # The voxel i lies at (i - 1/2) / 2 of voxels twice as wide.
        self._at = ((np.argwhere(inside).T - 0.5 * (wide - 1)) / wide).astype(np.float32)

    def away(self, first: int, weights: list[float], law: DiffusivityLaw) -> NDArray[np.float32]:
        """From the way at constant D, inside the particle: parabolas through nothing and both ends."""
        parts = []
        for x in (law.slope / _SLOPE, law.peak / _PEAK):
            parts += [0.5 * x * (x - 1.0), 0.5 * x * (x + 1.0)]
        return self._fine(first, weights, parts)

    def slopes(
        self, first: int, weights: list[float], law: DiffusivityLaw
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Change with the law's slope and with its peak."""
        by = [
            [(x - 0.5) / size, (x + 0.5) / size]
            for size, x in ((_SLOPE, law.slope / _SLOPE), (_PEAK, law.peak / _PEAK))
        ]
        return self._fine(first, weights, [*by[0], 0.0, 0.0]), self._fine(first, weights, [0.0, 0.0, *by[1]])

    def _fine(self, first: int, weights: list[float], parts: list[float]) -> NDArray[np.float32]:
        from scipy.ndimage import map_coordinates

        wide = np.zeros_like(self._away[0][0])
        for part, away in zip(parts, self._away, strict=True):
            if part:
                wide += np.float32(part) * _mixed(away, first, weights)
        return np.asarray(map_coordinates(wide, self._at, order=1, mode="nearest"), np.float32)


def _mixed(nodes: list[NDArray[np.float32]], first: int, weights: list[float]) -> NDArray[np.float32]:
    return sum((np.float32(w) * nodes[first + i] for i, w in enumerate(weights)), np.zeros_like(nodes[0]))


def _halved(field: Volume) -> Volume:
    """Means of blocks of two along each axis; an odd end is continued."""
    padded = np.pad(field, [(0, n % 2) for n in field.shape], mode="edge")
    z, y, x = (n // 2 for n in padded.shape)
    return np.asarray(padded.reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5)), np.float32)


def _nearest(inside: NDArray[np.bool_]) -> tuple[NDArray[np.intp], ...]:
    """For each voxel, where the nearest one inside is."""
    from scipy.ndimage import distance_transform_edt

    return tuple(distance_transform_edt(~inside, return_distances=False, return_indices=True))
