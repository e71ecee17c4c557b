"""How far a heated state has diffused, read from its projections.

Maximum likelihood of one tilt series in tau = D t, with the series' overall scale and every projection's shift and true
tilt as further unknowns. Surfaces, levels, blur and surroundings are those of the unheated particle, so wedge and blur
are inside the model and no reconstruction is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.model import ParticleModel
from analysis.tomography.alignment import cross_correlation_shift
from analysis.tomography.projections import Projections

_ROUNDS, _ROUNDS_NEAR = 4, 2
_SHIFT_PRIOR_PX, _TILT_PRIOR_DEG = 1.0, 0.3
_LONGEST_STEP = 1.0
_TRIED = 10


@dataclass(frozen=True)
class HeatedState:
    """Diffusion done in one state."""

    ln_tau: float
    """tau in nm2."""
    ln_std: float
    """From counting noise and alignment, the unheated particle taken as known."""
    scale: float
    """Intensity relative to the unheated series."""
    shifts_px: NDArray[np.float64]
    tilt_errors_deg: NDArray[np.float64]
    misfit: float
    """Mean squared miss of a pixel, in units of its variance."""
    chi2: float
    """Sum of the squared misses at the optimum, the priors' with them."""

    @property
    def misfit_ln_std(self) -> float:
        """`ln_std`, wider where the model misses by more than the noise."""
        return float(self.ln_std * max(1.0, self.misfit) ** 0.5)


def fit_heated_state(
    projections: Projections, model: ParticleModel, trajectory: CompositionTrajectory, near: HeatedState | None = None
) -> HeatedState:
    """Fit tau to a tilt series.

    The best of a few tau begins, or a fit that is `near`; then Gauss-Newton, with the unknowns of single projections
    eliminated tilt by tilt.
    """
    tilts_deg = projections.tilts_deg
    model = replace(model, swept_deg=projections.swept_deg)
    if near is None:
        shifts, ln_tau, scale = _start(projections, model, trajectory)
        errors_deg = np.zeros(len(tilts_deg))
    else:
        shifts, ln_tau, scale, errors_deg = near.shifts_px.copy(), near.ln_tau, near.scale, near.tilt_errors_deg
    prior = np.diag([_SHIFT_PRIOR_PX**-2, _SHIFT_PRIOR_PX**-2, _TILT_PRIOR_DEG**-2])
    low, high = trajectory.range
    ln_std = misfit = chi2 = np.inf
    for _ in range(_ROUNDS if near is None else _ROUNDS_NEAR):
        stack, seen = projections.moved(shifts, model.columns)
        composition, slope = trajectory.at(ln_tau)
        scene, projected, by_tilt = model.projected(composition, tilts_deg + errors_deg)
        by_tau = scene.particle(model.metal * slope * np.float32(model.core_step))
        projected, by_tau, by_tilt = (np.float32(scale) * part for part in (projected, by_tau, by_tilt))
        by_y, by_x = np.gradient(projected, axis=1), np.gradient(projected, axis=2)
        weight = seen * projections.noise.weights(projected)
        residual = stack - projected
        missed = float((weight * residual**2).sum(dtype=np.float64))
        misfit = missed / float(seen.sum())
        shared = np.stack([by_tau, projected], axis=1)
        single = np.stack([by_y, by_x, by_tilt], axis=1)
        own = np.einsum("tiyx,tyx,tjyx->tij", single, weight, single, optimize=True) + prior
        cross = np.einsum("tiyx,tyx,tjyx->tij", single, weight, shared, optimize=True)
        both = np.einsum("tiyx,tyx,tjyx->ij", shared, weight, shared, optimize=True)
        own_right = np.einsum("tiyx,tyx->ti", single, weight * residual)
        own_right[:, 2] -= prior[2, 2] * errors_deg
        both_right = np.einsum("tiyx,tyx->i", shared, weight * residual)
        inverse = np.linalg.inv(own)
        information = both - np.einsum("tij,tik,tkl->jl", cross, inverse, cross, optimize=True)
        right = both_right - np.einsum("tij,tik,tk->j", cross, inverse, own_right, optimize=True)
        found = np.linalg.lstsq(information, right, rcond=None)[0]
        ln_std = float(np.sqrt(np.linalg.pinv(information)[0, 0])) if information[0, 0] > 0 else np.inf
        alone = np.einsum("tij,tj->ti", inverse, own_right - cross @ found)
        missed += prior[2, 2] * float(np.sum(errors_deg**2))
        chi2 = missed - float(right @ found) - float(np.einsum("ti,tij,tj->", own_right, inverse, own_right))
        shifts += np.clip(alone[:, :2], -2.0, 2.0)
        errors_deg = errors_deg + np.clip(alone[:, 2], -0.5, 0.5)
        ln_tau = float(np.clip(ln_tau + np.clip(found[0], -_LONGEST_STEP, _LONGEST_STEP), low, high))
        scale *= 1.0 + float(np.clip(found[1], -0.2, 0.2))
    at_end = ln_tau in (low, high)
    return HeatedState(ln_tau, np.inf if at_end else ln_std, scale, shifts, errors_deg, misfit, chi2)


def _start(
    projections: Projections, model: ParticleModel, trajectory: CompositionTrajectory
) -> tuple[NDArray[np.float64], float, float]:
    """Shifts moved along the tilt axis onto the model, the most likely of a few ln tau, and the scale there."""
    scene = model.scene(projections.tilts_deg)
    around = scene.around(model.surroundings)
    alloyed = scene.particle(model.intensity(trajectory.at(trajectory.range[1])[0])) + around
    shifts = projections.shifts_px.copy()
    profile = projections.moved(shifts, model.columns)[0].sum(axis=(0, 1))
    shifts[:, 1] += cross_correlation_shift(alloyed.sum(axis=(0, 1))[None], profile[None])[1]
    stack, seen = projections.moved(shifts, model.columns)
    weight = seen * projections.noise.weights(alloyed)
    tried = []
    for ln_tau in np.linspace(*trajectory.range, _TRIED):
        projected = scene.particle(model.intensity(trajectory.at(float(ln_tau))[0])) + around
        scale = float(np.vdot(weight * projected, stack) / np.vdot(weight * projected, projected))
        tried.append((float(np.vdot(weight, (stack - scale * projected) ** 2)), float(ln_tau), scale))
    _, best, scale = min(tried)
    return shifts, best, scale
