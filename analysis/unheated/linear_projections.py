"""A tilt series linearised about one model of the unheated particle, and the step that its projections ask for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.particle_model.exposures import BACKGROUND_PRIOR, FACTOR_PRIOR, Exposures, slopes_of
from analysis.particle_model.model import ParticleModel
from analysis.particle_model.surfaces import occupancy_slope, redistanced
from analysis.particle_model.surroundings import along_axes
from analysis.tomography.projections import Projections
from analysis.tomography.projector import Stack, Volume
from analysis.unheated.conjugate_gradients import Unknowns, conjugate_gradients, dot
from analysis.unheated.patterns import Patterns
from analysis.unheated.sensitivity import Sensitivity
from analysis.unheated.smooth_fields import SmoothField

_CG_STEPS = 30
"""Fewer would do for the misfit, not for levels and volume, which can make up for each other."""
_LEVEL_PRIOR, _BLUR_PRIOR_PX2, _SHIFT_PRIOR_PX, _TILT_PRIOR_DEG = 0.2, 0.3, 0.3, 0.2
_CURVATURE_PRIOR, _MIXED_PRIOR_PX2, _MIXED_STEP_PX2 = 0.1, 1.0, 0.3
_COAT_PRIOR = 0.05
_CELL_PRIOR, _CLOUD_PRIOR, _CLOUD_CELLS = 0.02, 0.05, 1.5
"""Of the shell's level: layers around the particle; coarse cells by themselves, and as clouds of such a radius."""
_STEEP = 0.2
_PLACES, _COATS_FROM = {"response": 3, "interface": 4}, 5
"""Among what is one for all projections: of the nuisances, and from where on of the coats."""
_MOST_ALIKE = 0.99
"""Two nuisances at most, as a correlation."""
NUISANCES = tuple(_PLACES)
"""None unless the projections tell it: a signal that is not proportional, metals that are mixed before any heat."""


class LinearProjections:
    """Residual, weights and slopes of all projections at one model.

    The unknowns, each scaled to unit prior variance: the two surfaces and the surroundings' cells, as cosine waves;
    what is one for all projections (levels, blur, the response's curvature, an interface that is not sharp, coat); and
    each projection's own (`Exposures`).
    When `cautious`, what the model still misses counts as noise: steps are short until it misses little.
    """

    def __init__(
        self,
        model: ParticleModel,
        projections: Projections,
        exposures: Exposures,
        scale: tuple[float, float],
        free: Collection[str] = (),
        *,
        cautious: bool = False,
    ) -> None:
        self._model, self._exposures = model, exposures
        smooth_px, self._surface_prior = scale
        stack, seen = projections.moved(exposures.shifts_px, model.columns)
        tilts_deg = projections.tilts_deg + exposures.tilt_errors_deg
        self._scene, scattered, by_tilt = model.projected(model.composition, tilts_deg)
        gain = exposures.factors.astype(np.float32)[:, None, None] * model.response.slope(scattered)
        projected = exposures.exposed(model.response.signal(scattered))
        self._top = float(projected.max())
        self._residual, self._weight = projections.missed(projected, stack, seen)
        self.misfit = float((self._weight * self._residual**2).sum() / seen.sum())
        if cautious:
            self._weight /= np.float32(max(1.0, self.misfit))
        by_blur = 0.5 * (
            np.gradient(np.gradient(projected, axis=1), axis=1) + np.gradient(np.gradient(projected, axis=2), axis=2)
        )
        self._coats = [np.float32(_COAT_PRIOR * model.shell_level) * layer for layer in model.coats()]
        more_mixed = model.mixed_by(model.mixed_px2 + _MIXED_STEP_PX2) - model.composition
        by_mixed = self._scene.particle(model.metal * more_mixed * np.float32(model.core_step / _MIXED_STEP_PX2))
        self._everywhere = np.stack(
            [
                gain * self._scene.particle(model.metal) * np.float32(_LEVEL_PRIOR * model.shell_level),
                gain
                * self._scene.particle(model.metal * model.composition)
                * np.float32(_LEVEL_PRIOR * model.core_step),
                by_blur * np.float32(_BLUR_PRIOR_PX2),
                model.response.by_curvature(scattered) * np.float32(_CURVATURE_PRIOR),
                gain * by_mixed * np.float32(_MIXED_PRIOR_PX2),
                *(gain * self._surroundings(layer) for layer in self._coats),
            ]
        )
        self._priors = np.array(
            [_SHIFT_PRIOR_PX, _SHIFT_PRIOR_PX, _TILT_PRIOR_DEG, FACTOR_PRIOR, BACKGROUND_PRIOR * self._top]
        )
        per_tilt = slopes_of(projected, gain * by_tilt, exposures.factors)
        per_tilt *= self._priors.astype(np.float32)[:, None, None]
        self._per_tilt = per_tilt
        self._patterns = Patterns(gain, self._everywhere, per_tilt)
        self._outside = self._surface_prior * (model.shell_level - model.displaced) * occupancy_slope(model.outside)
        self._interface = self._surface_prior * model.core_step * occupancy_slope(model.interface)
        self._surface = SmoothField(model.outside.shape, smooth_px)
        self._around = SmoothField(model.surroundings.shape)
        clouds = np.exp(-0.5 * _CLOUD_CELLS**2 * self._around.squares)
        self._cell_waves = np.float32(model.shell_level) * (_CELL_PRIOR + _CLOUD_PRIOR * clouds)
        self._free = self._not_at_bounds(free)

    def forward(self, unknowns: Unknowns) -> Stack:
        """Change of the projections."""
        return self._weighted(unknowns, np.ones_like(self._weight))

    def _weighted(self, unknowns: Unknowns, weight: Stack) -> Stack:
        box = self._outside * self._surface.voxels(unknowns[0]) + self._interface * self._surface.voxels(unknowns[1])
        scattered = self._surroundings(self._cells(unknowns[2]), box)
        return self._patterns.change(scattered, unknowns[3], unknowns[4], weight)

    def backward(self, change: Stack) -> Unknowns:
        """The exact adjoint of `forward`."""
        scattered, everywhere, per_tilt = self._patterns.told(change)
        box = self._scene.particle_back(scattered)
        displaced = along_axes(self._model.metal * box, self._model.coarser)
        return [
            self._surface.waves(self._outside * box),
            self._surface.waves(self._interface * box),
            self._cell_waves * self._around.waves(self._scene.around_back(scattered) - displaced),
            everywhere,
            per_tilt,
        ]

    def step(self, way: Unknowns | None) -> tuple[ParticleModel, Exposures, Unknowns]:
        """One Gauss-Newton step: the better model and exposures, and the fields' way from the start.

        The prior holds for the whole way: were it one for each step, every round would fit a little more noise.
        """
        right = self.backward(self._weight * self._residual)
        if way is not None:
            right[:3] = [r - w for r, w in zip(right, way, strict=False)]
        right[4] -= self._exposures.away(_SHIFT_PRIOR_PX, _TILT_PRIOR_DEG, self._top)
        right[3][3] -= self._model.response.curvature / _CURVATURE_PRIOR
        right[3][4] -= self._model.mixed_px2 / _MIXED_PRIOR_PX2
        found = self._solved(right, self._free)
        fields = (self._surface_prior * self._surface.voxels(f) for f in found[:2])
        moved = [np.clip(f, -1.0, 1.0).astype(np.float32) for f in fields]
        model = self._model
        levels = 1.0 + _LEVEL_PRIOR * found[3][:2]
        around = self._cells(found[2])
        for size, layer in zip(found[3][_COATS_FROM:], self._coats, strict=True):
            around += np.float32(size) * layer
        better = replace(
            model,
            outside=redistanced(model.outside + moved[0]),
            interface=redistanced(model.interface + moved[1]),
            shell_level=model.shell_level * float(levels[0]),
            core_step=model.core_step * float(levels[1]),
            blur_px=float(np.sqrt(max(0.1, model.blur_px**2 + _BLUR_PRIOR_PX2 * float(found[3][2])))),
            surroundings=model.surroundings + around,
            response=model.response.bent(_CURVATURE_PRIOR * float(found[3][3])),
            mixed_px2=max(0.0, model.mixed_px2 + _MIXED_PRIOR_PX2 * float(found[3][4])),
        )
        way = found[:3] if way is None else [w + f for w, f in zip(way, found, strict=False)]
        return better, self._exposures.moved(np.asarray(found[4], np.float64) * self._priors), way

    def stds_of(self, s: Sensitivity) -> tuple[float, float]:
        """Standard deviations of ln D by what these projections leave open of the unheated particle.

        With the prior it is the Cramer-Rao bound of a fit to this tilt series: gradient, inverse information, gradient.
        The first is that of a proportional response and of sharp metals, the second what not knowing these adds.
        """
        gradient = self._nothing()
        for place, (per_px, slope) in enumerate(
            ((s.outside_per_px, self._outside), (s.interface_per_px, self._interface))
        ):
            mean = np.asarray(slope / slope.sum(), np.float32)
            gradient[place] = self._surface.waves(mean) * np.float32(-per_px * self._surface_prior)
        gradient[3][:_COATS_FROM] = (
            s.shell_level * _LEVEL_PRIOR,
            s.core_step * _LEVEL_PRIOR,
            s.blur_per_px2 * _BLUR_PRIOR_PX2,
            s.curvature * _CURVATURE_PRIOR,
            s.mixed_per_px2 * _MIXED_PRIOR_PX2,
        )
        known = dot(gradient, self._solved(gradient, self._free_with()))
        response, interface = (self._columns[name] for name in NUISANCES)
        own = [float(self._columns[name][3][place]) for name, place in _PLACES.items()]
        left = np.array([dot(response, gradient), dot(interface, gradient)]) / own
        # What one of them looks like to the other, all else free; thirty steps must not make it more than it can be.
        most = _MOST_ALIKE / float(np.sqrt(own[0] * own[1]))
        alike = float(self._normal(response)[3][_PLACES["interface"]]) / own[0]
        across = float(np.clip(alike, -most, most))
        information = np.array([[1.0 / own[0], across], [across, 1.0 / own[1]]])
        return float(np.sqrt(known)), float(np.sqrt(left @ np.linalg.solve(information, left)))

    def told_of(self, name: str) -> float:
        """By how many standard deviations a nuisance is above none, the other one none and everything else free."""
        column = self._columns[name]
        found = dot(column, self.backward(self._weight * self._residual))
        return found / float(np.sqrt(float(column[3][_PLACES[name]]) * max(1.0, self.misfit)))

    @cached_property
    def _columns(self) -> dict[str, Unknowns]:
        """Each nuisance's, of the inverse of the normal equations with the other one held at none.

        To eliminate all else would be to take large numbers from each other: what the response bends, a level nearly
        makes up for.
        """
        columns = {}
        for name, place in _PLACES.items():
            unit = self._nothing()
            unit[3][place] = 1.0
            columns[name] = self._solved(unit, self._free_with(name))
        return columns

    def _free_with(self, *names: str) -> NDArray[np.float64]:
        """All that is one for all projections free, and of the nuisances these: 1, else 0."""
        free = np.ones(len(self._everywhere))
        for name, place in _PLACES.items():
            free[place] = float(name in names)
        return free

    def _solved(self, right: Unknowns, free: NDArray[np.float64]) -> Unknowns:
        """The normal equations, with only some of what is one for all projections `free`."""

        def masked(unknowns: Unknowns) -> Unknowns:
            return [*unknowns[:3], unknowns[3] * free, unknowns[4]]

        return conjugate_gradients(
            lambda u: masked(self._normal(u)), masked(right), lambda u: masked(self._precondition(u)), _CG_STEPS
        )

    def _not_at_bounds(self, free: Collection[str]) -> NDArray[np.float64]:
        """0 for a nuisance that is not asked for, or is none and would become less than none, else 1."""
        values = {"response": self._model.response.curvature, "interface": self._model.mixed_px2}

        def may_move(name: str) -> bool:
            wants = float(np.vdot(self._everywhere[_PLACES[name]], self._weight * self._residual))
            return values[name] > 0.0 or wants > 0.0

        return self._free_with(*filter(may_move, free))

    def _normal(self, unknowns: Unknowns) -> Unknowns:
        image = self.backward(self._weighted(unknowns, self._weight))
        return [a + b for a, b in zip(image, unknowns, strict=True)]

    def _nothing(self) -> Unknowns:
        """All unknowns at zero."""
        return [
            np.zeros_like(self._surface.amplitudes),
            np.zeros_like(self._surface.amplitudes),
            np.zeros_like(self._cell_waves),
            np.zeros(len(self._everywhere)),
            np.zeros((len(self._exposures.factors), 5)),
        ]

    def _surroundings(self, field: Volume, box: Volume | None = None) -> Stack:
        """Projections of a field around the particle, which takes its place; and of what else changes in the box."""
        displaced = self._model.metal * along_axes(field, self._model.finer)
        inside = -displaced if box is None else box - displaced
        return self._scene.around(field) + self._scene.particle(np.asarray(inside, np.float32))

    def _cells(self, waves: NDArray[np.floating]) -> Volume:
        """Surroundings from unknowns of unit variance."""
        return self._around.voxels(self._cell_waves * waves)

    def _precondition(self, unknowns: Unknowns) -> Unknowns:
        """A rough inverse of the normal equations.

        Wave by wave for the fields; exact for what is one for all, and within each projection.
        """
        *fields, everywhere, per_tilt = unknowns
        return [
            *(np.asarray(f / stiff, np.float32) for f, stiff in zip(fields, self._stiffness, strict=True)),
            np.linalg.solve(self._everywhere_own, everywhere),
            np.linalg.solve(self._per_tilt_own, per_tilt[:, :, None])[:, :, 0],
        ]

    # What only a step asks for: every third model of a fit is looked at and left.

    @cached_property
    def _everywhere_own(self) -> NDArray[np.float64]:
        flat = self._everywhere.reshape(len(self._everywhere), -1)
        return np.asarray((flat * self._weight.ravel() @ flat.T).astype(np.float64) + np.eye(len(flat)))

    @cached_property
    def _per_tilt_own(self) -> NDArray[np.float64]:
        rows = self._per_tilt.reshape(*self._per_tilt.shape[:2], -1)
        own_of_tilts = np.matmul(rows * self._weight.reshape(len(rows), 1, -1), rows.transpose(0, 2, 1))
        return np.asarray(own_of_tilts.astype(np.float64) + np.eye(5))

    @cached_property
    def _stiffness(self) -> list[NDArray[np.float32]]:
        """Curvature of the likelihood and prior wave by wave, for each field.

        Its form is the prior's, and for the surroundings the slice theorem's 1/k as well; its size comes from the
        response to one random field.
        """
        zero = self._nothing()
        cells = self._model.surroundings.shape
        z, y = (np.pi * np.arange(n) / n for n in cells[:2])
        across = np.hypot(z[:, None], y)[:, :, None] + np.pi / cells[0]
        surface = self._surface.amplitudes**2
        forms = (surface, surface, self._cell_waves**2 / across)
        steep = [np.abs(f) > _STEEP * np.abs(f).max() for f in (self._outside, self._interface)]
        found = []
        for place, form in enumerate(forms):
            shape = self._outside.shape if place < 2 else zero[place].shape
            probe = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
            if place < 2:
                probe = self._surface.waves(probe * steep[place]) / self._surface.amplitudes
            seen = self.forward([*zero[:place], probe, *zero[place + 1 :]])
            size = float((self._weight * seen**2).sum()) / float(np.vdot(probe, probe * form))
            found.append(np.asarray(1.0 + size * form, np.float32))
        return found
