"""The unheated particle, fitted to its projections.

A reconstruction blurs edges and smears them along the missing wedge. The unheated particle, though, is known: pure
metal around pure metal. So what is sought are two surfaces, two levels, the blur, faint surroundings and, for every
projection, its shift and its true tilt: the most likely ones for the counted electrons, with smooth surfaces as the
prior. Gauss-Newton steps, each solved by conjugate gradients through the projector and its adjoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.alloying.particle_model import COARSE_PX, ParticleModel, Scene
from analysis.alloying.surfaces import distance_to, occupancy_slope, redistanced
from analysis.alloying.two_phase import TwoPhase
from analysis.tomography.alignment import shifted, within_field
from analysis.tomography.counting import Noise
from analysis.tomography.projector import Stack, Volume

_SCALES = ((6.0, 150.0), (6.0, 150.0), (2.5, 20.0), (2.5, 20.0), (1.5, 6.0), (1.5, 6.0))
"""Round by round: over how many px a surface moves as one, and how freely (white noise of that size, smoothed so).

Whole faces find their place first, which a prior on small scales would hold back across the wedge; then details.
"""
_CG_STEPS = 25
_CG_DONE = 1e-4
_FIELD_STIFFNESS = 300.0
"""Typical curvature of the surfaces and surroundings against their prior's, for the solver only."""
_MARGIN_PX = 4
_LEVEL_PRIOR, _BLUR_PRIOR_PX2, _SHIFT_PRIOR_PX, _TILT_PRIOR_DEG = 0.03, 0.3, 0.3, 0.2
_AROUND_PRIOR = 0.05
"""Of the shell's level: silica and thin films."""
_TILT_STEP_DEG = 0.25
_MODEL_ERROR = 0.002
"""Of the brightest pixel: what even noise-free projections may miss the model by."""

_Unknowns = list[NDArray[np.floating]]


@dataclass(frozen=True)
class FirstState:
    """The fitted particle, and how its projections lie."""

    model: ParticleModel
    shifts_px: NDArray[np.float64]
    """(tilt, 2) as (y, x): to add to each projection's content."""
    tilt_errors_deg: NDArray[np.float64]
    misfit: float
    """Mean squared residual over its expected variance; 1 when only counting noise is left."""


def fit_first_state(
    raw: Stack,
    tilts_deg: NDArray[np.float64],
    shifts_px: NDArray[np.float64],
    start: TwoPhase,
    first_column: int,
    noise: Noise,
) -> FirstState:
    """Fit the particle model to an unaligned tilt series (tilt, y, x), background-free.

    Parameters
    ----------
    shifts_px : (tilt, 2) a first alignment
    start : a first segmentation; its y and z centred on the tilt axis
    first_column : where its x begins in the projections
    """
    model = _first_model(start, raw.shape[1], first_column)
    shifts, errors_deg = shifts_px.copy(), np.zeros(len(tilts_deg))
    best: FirstState | None = None
    way: _Unknowns | None = None
    for round_, scale in enumerate((*_SCALES, _SCALES[-1])):
        stack = shifted(raw, shifts)[:, :, model.columns]
        seen = within_field(raw.shape, shifts)[:, :, model.columns]
        linear = _Linear(model, stack, seen, tilts_deg, errors_deg, noise, scale)
        if best is None or linear.misfit < best.misfit:
            best = FirstState(model, shifts, errors_deg, linear.misfit)
        if round_ < len(_SCALES):
            way = way if round_ and scale == _SCALES[round_ - 1] else None
            model, moved, turned, way = linear.step(way)
            shifts, errors_deg = shifts + moved, errors_deg + turned
    assert best is not None, "there is at least one round"
    return best


def project_model(
    model: ParticleModel, composition: Volume, tilts_deg: NDArray[np.float64]
) -> tuple[Scene, Stack, Stack]:
    """Scene, projections, and their slope per degree of tilt."""
    box = model.intensity(composition)
    scene = model.scene(tilts_deg)
    ahead = model.scene(tilts_deg + _TILT_STEP_DEG).particle(box)
    behind = model.scene(tilts_deg - _TILT_STEP_DEG).particle(box)
    return scene, scene.particle(box) + scene.around(model.faint), (ahead - behind) / np.float32(2 * _TILT_STEP_DEG)


def weights(model_stack: Stack, noise: Noise) -> Stack:
    """One over each pixel's expected variance."""
    top = float(model_stack.max())
    variance = noise.read_variance + noise.gain * np.maximum(model_stack, 0.02 * top) + (_MODEL_ERROR * top) ** 2
    return np.asarray(1.0 / variance, np.float32)


def _first_model(start: TwoPhase, rows: int, first_column: int) -> ParticleModel:
    z, y, x = (np.flatnonzero(start.mask.any(axis=tuple(a for a in range(3) if a != k))) for k in range(3))
    size = start.mask.shape[0]
    half_z, half_y = (
        min(size // 2, int(np.ceil(np.abs(hit - 0.5 * (size - 1)).max() + 0.5)) + _MARGIN_PX) for hit in (z, y)
    )
    first = max(0, int(x[0]) - _MARGIN_PX)
    last = min(start.mask.shape[2], int(x[-1]) + 1 + _MARGIN_PX)
    middle = 0.5 * size
    box = (
        slice(int(np.ceil(middle)) - half_z, int(middle) + half_z),
        slice(int(np.ceil(middle)) - half_y, int(middle) + half_y),
        slice(first, last),
    )
    coarse = -(-rows // COARSE_PX)
    return ParticleModel(
        outside=distance_to(start.mask)[box],
        interface=distance_to(start.core)[box],
        shell_level=start.shell_level,
        core_step=start.core_level - start.shell_level,
        blur_px=start.blur_px,
        surroundings=np.zeros((coarse, coarse, -(-(last - first) // COARSE_PX)), np.float32),
        rows=rows,
        first_column=first_column + first,
    )


class _Linear:
    """The projections linearised about one model: residual, weights, and the step that they ask for."""

    def __init__(
        self,
        model: ParticleModel,
        stack: Stack,
        seen: Stack,
        tilts_deg: NDArray[np.float64],
        errors_deg: NDArray[np.float64],
        noise: Noise,
        scale: tuple[float, float],
    ) -> None:
        self._model, self._errors_deg = model, errors_deg
        self._smooth_px, self._surface_prior = scale
        self._scene, projected, by_tilt = project_model(model, model.composition, tilts_deg + errors_deg)
        self._weight = seen * weights(projected, noise)
        self._residual = stack - projected
        self.misfit = float((self._weight * self._residual**2).sum() / seen.sum())
        by_y, by_x = np.gradient(projected, axis=1), np.gradient(projected, axis=2)
        by_blur = 0.5 * (np.gradient(by_y, axis=1) + np.gradient(by_x, axis=2))
        self._everywhere = [
            self._scene.particle(model.metal) * np.float32(_LEVEL_PRIOR * model.shell_level),
            self._scene.particle(model.core) * np.float32(_LEVEL_PRIOR * model.core_step),
            by_blur * np.float32(_BLUR_PRIOR_PX2),
        ]
        self._per_tilt = [
            by_y * np.float32(_SHIFT_PRIOR_PX),
            by_x * np.float32(_SHIFT_PRIOR_PX),
            by_tilt * np.float32(_TILT_PRIOR_DEG),
        ]
        self._everywhere_own = np.array(
            [[float(np.vdot(self._weight * a, b)) for b in self._everywhere] for a in self._everywhere]
        ) + np.eye(3)
        own = [[np.einsum("tyx,tyx,tyx->t", self._weight, a, b) for b in self._per_tilt] for a in self._per_tilt]
        self._per_tilt_own = np.moveaxis(np.array(own, np.float64), 2, 0) + np.eye(3)
        self._outside = self._surface_prior * model.shell_level * occupancy_slope(model.outside)
        self._interface = self._surface_prior * model.core_step * occupancy_slope(model.interface)
        self._around = np.float32(_AROUND_PRIOR * model.shell_level)
        self._free = self._around * (1.0 - model.coarse_metal)

    def forward(self, unknowns: _Unknowns) -> Stack:
        """Change of the projections; unknowns are scaled to unit prior variance."""
        box = self._outside * self._smooth(unknowns[0]) + self._interface * self._smooth(unknowns[1])
        change = self._scene.particle(np.asarray(box, np.float32))
        change += self._scene.around(np.asarray(self._free * unknowns[2], np.float32))
        for size, part in zip(unknowns[3], self._everywhere, strict=True):
            change += np.float32(size) * part
        for size, part in zip(unknowns[4], self._per_tilt, strict=True):
            change += size.astype(np.float32)[:, None, None] * part
        return change

    def backward(self, change: Stack) -> _Unknowns:
        """The exact adjoint of `forward`."""
        box = self._scene.particle_back(change)
        return [
            self._smooth(self._outside * box),
            self._smooth(self._interface * box),
            self._free * self._scene.around_back(change),
            np.array([float(np.vdot(part, change)) for part in self._everywhere]),
            np.stack([np.einsum("tyx,tyx->t", part, change) for part in self._per_tilt]),
        ]

    def _smooth(self, field: NDArray[np.floating]) -> Volume:
        from scipy.ndimage import gaussian_filter

        smooth = gaussian_filter(np.asarray(field, np.float32), self._smooth_px, truncate=3.0, mode="constant")
        return np.asarray(smooth, np.float32)

    def _ease(self, unknowns: _Unknowns) -> _Unknowns:
        """A rough inverse of the normal equations: exact for the levels and blur, and within each projection."""
        *fields, everywhere, per_tilt = unknowns
        eased = [np.asarray(f / np.float32(_FIELD_STIFFNESS), np.float32) for f in fields]
        return [
            *eased,
            np.linalg.solve(self._everywhere_own, everywhere),
            np.linalg.solve(self._per_tilt_own, per_tilt.T[:, :, None])[:, :, 0].T,
        ]

    def step(self, way: _Unknowns | None) -> tuple[ParticleModel, NDArray[np.float64], NDArray[np.float64], _Unknowns]:
        """One Gauss-Newton step: the better model, the shifts and turns to add, and the surfaces' way from the start.

        The prior holds for the whole way: were it one for each step, every round would fit a little more noise.
        """
        right = self.backward(self._weight * self._residual)
        if way is not None:
            right[:3] = [r - w for r, w in zip(right, way, strict=False)]
        right[4][2] -= self._errors_deg / _TILT_PRIOR_DEG

        def normal(unknowns: _Unknowns) -> _Unknowns:
            image = self.backward(self._weight * self.forward(unknowns))
            return [a + b for a, b in zip(image, unknowns, strict=True)]

        found = _conjugate_gradients(normal, right, self._ease)
        moved = [np.clip(self._surface_prior * self._smooth(f), -1.0, 1.0).astype(np.float32) for f in found[:2]]
        model = self._model
        better = replace(
            model,
            outside=redistanced(model.outside + moved[0]),
            interface=redistanced(model.interface + moved[1]),
            shell_level=model.shell_level * (1.0 + _LEVEL_PRIOR * float(found[3][0])),
            core_step=model.core_step * (1.0 + _LEVEL_PRIOR * float(found[3][1])),
            blur_px=float(np.sqrt(max(0.1, model.blur_px**2 + _BLUR_PRIOR_PX2 * float(found[3][2])))),
            surroundings=(model.surroundings + self._around * found[2]).astype(np.float32),
        )
        per_projection = np.asarray(found[4], np.float64)
        way = found[:3] if way is None else [w + f for w, f in zip(way, found, strict=False)]
        return better, _SHIFT_PRIOR_PX * per_projection[:2].T, _TILT_PRIOR_DEG * per_projection[2], way


def _conjugate_gradients(
    apply: Callable[[_Unknowns], _Unknowns], right: _Unknowns, ease: Callable[[_Unknowns], _Unknowns]
) -> _Unknowns:
    """Solve apply(u) = right for a positive definite apply on lists of arrays; `ease` is near its inverse."""
    found = [np.zeros_like(r) for r in right]
    left = [r.copy() for r in right]
    eased = ease(left)
    way = [e.copy() for e in eased]
    size = start = _dot(left, eased)
    for _ in range(_CG_STEPS):
        image = apply(way)
        step = size / _dot(way, image)
        found = [f + step * w for f, w in zip(found, way, strict=True)]
        left = [r - step * i for r, i in zip(left, image, strict=True)]
        eased = ease(left)
        before, size = size, _dot(left, eased)
        if size < _CG_DONE * start:
            break
        way = [e + (size / before) * w for e, w in zip(eased, way, strict=True)]
    return found


def _dot(a: Sequence[NDArray[np.floating]], b: Sequence[NDArray[np.floating]]) -> float:
    return sum(float(np.vdot(p, q)) for p, q in zip(a, b, strict=True))
