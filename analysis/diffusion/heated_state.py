"""How far a heated state has diffused, read from its projections.

Maximum likelihood of one tilt series in tau = D t. Surfaces, levels, the response and the surroundings are those of
the unheated particle, so wedge and blur are inside the model and no reconstruction is needed. Beside tau are unknown,
with priors: the series' scale; what became of the particle (`Change`); how the metals shine mixed, and how D changes
with composition, which all states share; and of every projection its `Exposures`. What a projection alone knows is
eliminated tilt by tilt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.diffusivity_law import CONSTANT
from analysis.diffusion.state_slopes import OWN, PLAIN, SHARED, TURNING, UNKNOWNS, StatePoint, intensity, state_slopes
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.change import Change
from analysis.particle_model.exposures import BACKGROUND_PRIOR, FACTOR_PRIOR, Exposures, slopes_of
from analysis.particle_model.model import ParticleModel
from analysis.tomography.alignment import cross_correlation_shift
from analysis.tomography.projections import Projections

_ROUNDS, _WHOLE_ROUNDS = 2, 3
_SHIFT_PRIOR_PX, _TILT_PRIOR_DEG = 1.0, 0.3
_BOW_PRIOR, _SLOPE_PRIOR, _PEAK_PRIOR = 0.1, 1.5, 0.5
_TURN_PRIOR_DEG = 10.0
_VOLUME_PRIOR, _ROUNDING_PRIOR = 0.05, 0.03
"""Part of the volume that is lost; displacement over the cube root of the volume."""
_COAT_PRIOR, _BLUR_PRIOR_PX2, _CURVATURE_PRIOR = 0.05, 0.3, 0.03
"""Of the shell's level."""
_LONGEST_STEP = 1.0
_TOLD_GAIN = 0.12
"""Of chi2, as a part of what there is. Noise makes it next to nothing; edges that the unheated particle's fit drew a
little too soft or sharp some thousandths, on coarse pixels some hundredths; 2 nm of carbon, a quarter."""
_TURNED_MISFIT, _REGISTERED_THROUGH, _REGISTERING_ROUNDS = 1.5, (0.12, 0.06, 0.03), 3
"""Times the usual one, above which a particle may have turned; blurs to find it through, over the cube root of its
volume."""
_TRIED = 10


@dataclass(frozen=True)
class SharedInformation:
    """What one state tells of the unknowns that all states share, without their priors: a parabola about a point."""

    point: NDArray[np.float64]
    """In the order of `SHARED`."""
    information: NDArray[np.float64]
    gradient: NDArray[np.float64]
    """Of the log-likelihood at the point."""


@dataclass(frozen=True)
class HeatedState:
    """Diffusion done in one state."""

    point: StatePoint
    ln_std: float
    """From counting noise and alignment, all else taken as known."""
    free_ln_std: float
    """The same where what became of the particle (`Change`) is unknown."""
    changed: bool
    """Whether the projections tell that something became of the particle; else nothing did."""
    exposures: Exposures
    misfit: float
    """Mean squared miss of a pixel, in units of what the unheated series is missed by."""
    shared: SharedInformation

    @property
    def ln_tau(self) -> float:
        """tau in nm2."""
        return self.point.ln_tau

    @property
    def misfit_ln_std(self) -> float:
        """`ln_std`, wider where the model misses by more than the noise."""
        return float(self.ln_std * max(1.0, self.misfit) ** 0.5)


def shared_priors() -> NDArray[np.float64]:
    """Standard deviations of `SHARED` about zero; ln tau may be anything."""
    return np.array([np.inf, _BOW_PRIOR, _SLOPE_PRIOR, _PEAK_PRIOR])


def fit_heated_state(
    projections: Projections,
    model: ParticleModel,
    trajectory: CompositionTrajectory,
    near: HeatedState | None = None,
    *,
    whole: bool = True,
    usual_misfit: float = 1.0,
) -> HeatedState:
    """Fit tau to a tilt series.

    The best of a few tau begins, or a fit that is `near`; then Gauss-Newton steps of tau, scale and exposures, and of
    what became of the particle when that explains more than noise.

    Parameters
    ----------
    whole : whether to look for that at all
    usual_misfit : of the unheated series
    """
    if near is None:
        point, exposures = _start(projections, model, trajectory)
        plain, point, exposures = _steps(projections, model, trajectory, point, exposures, [PLAIN] * _ROUNDS)
        if plain.misfit > _TURNED_MISFIT * usual_misfit and whole:
            point, exposures = _registered(projections, model, trajectory, point, exposures)
    else:
        point, exposures = near.point, near.exposures
    equations: _Equations | None = None
    changed = whole and (point.change.turned_deg > 0.0 or (near is not None and near.changed))
    if not changed:
        equations, point, exposures = _steps(projections, model, trajectory, point, exposures, [PLAIN])
        if whole:
            equations = _Equations(projections, model, trajectory, point, exposures, UNKNOWNS, usual_misfit)
            # What composition explains better is left to all states together.
            changed = equations.gain(OWN[1:]) > max(_TOLD_GAIN, equations.gain(SHARED[1:]))
    if changed:
        before = equations, point, exposures
        _, point, exposures = _steps(projections, model, trajectory, point, exposures, [UNKNOWNS] * _WHOLE_ROUNDS)
        equations = _Equations(projections, model, trajectory, point, exposures, UNKNOWNS, usual_misfit)
        if before[0] is not None and equations.misfit > before[0].misfit:
            (equations, point, exposures), changed = before, False
    assert equations is not None, "either way ends with equations"
    at_end = point.ln_tau in trajectory.range
    known, free = (np.inf, np.inf) if at_end else (equations.ln_std(own=False), equations.ln_std(own=True))
    misfit = equations.misfit / usual_misfit
    return HeatedState(point, known, free, changed, exposures, misfit, equations.shared(own=changed))


def _steps(
    projections: Projections,
    model: ParticleModel,
    trajectory: CompositionTrajectory,
    point: StatePoint,
    exposures: Exposures,
    rounds: Sequence[Sequence[str]],
) -> tuple[_Equations, StatePoint, Exposures]:
    """So many steps of such unknowns; also the equations of the last one."""
    low, high = trajectory.range
    for which in rounds:
        equations = _Equations(projections, model, trajectory, point, exposures, which)
        step, of_tilts = equations.solve()
        exposures = exposures.moved(of_tilts)
        point = point.stepped(np.clip(step, -equations.farthest, equations.farthest))
        point = point.at(float(np.clip(point.ln_tau, low, high)))
    return equations, point, exposures


def _registered(
    projections: Projections,
    model: ParticleModel,
    trajectory: CompositionTrajectory,
    point: StatePoint,
    exposures: Exposures,
) -> tuple[StatePoint, Exposures]:
    """Onto a particle that turned: what is seen through a wide blur first, which lets it come from afar."""
    from scipy.ndimage import gaussian_filter

    for part in _REGISTERED_THROUGH:
        sigma_px = part * float(np.cbrt(model.volume_px))
        dim = replace(
            projections, raw=np.asarray(gaussian_filter(projections.raw, (0, sigma_px, sigma_px)), np.float32)
        )
        blurred = replace(model, blur_px=float(np.hypot(model.blur_px, sigma_px)))
        _, point, exposures = _steps(dim, blurred, trajectory, point, exposures, [TURNING] * _REGISTERING_ROUNDS)
    return point, exposures


class _Equations:
    """Normal equations of one state at one point."""

    def __init__(
        self,
        projections: Projections,
        model: ParticleModel,
        trajectory: CompositionTrajectory,
        point: StatePoint,
        exposures: Exposures,
        which: Sequence[str],
        usual_misfit: float = 1.0,
    ) -> None:
        tilts_deg = projections.tilts_deg + exposures.tilt_errors_deg
        slopes, changed = state_slopes(
            model, trajectory, point, tilts_deg, projections.raw.shape[2], swept_deg=projections.swept_deg, which=which
        )
        self._point = point
        self._which = np.array([UNKNOWNS.index(name) for name in which])
        stack, seen = projections.moved(exposures.shifts_px, changed.columns)
        signal = exposures.exposed(slopes.signal)
        factors = exposures.factors.astype(np.float32)[:, None, None]
        weight = seen * projections.noise.weights(signal)
        residual = stack - signal
        self._excess = usual_misfit
        self._missed = max(float((weight * residual**2).sum(dtype=np.float64)), 1.0)
        self.misfit = float((weight * residual**2).sum(dtype=np.float64) / seen.sum())
        single = slopes_of(signal, factors * slopes.by_tilt, exposures.factors)
        # One matrix product per projection gives all sums of products that follow.
        rows = [single, np.moveaxis(factors * slopes.unknowns, 0, 1), residual[:, None]]
        z = np.concatenate(rows, axis=1) * np.sqrt(weight)[:, None]
        z = z.reshape(*z.shape[:2], -1)
        gram = np.matmul(z, z.transpose(0, 2, 1)).astype(np.float64)
        top = float(signal.max())
        n = len(self._which)
        widths = np.array([_SHIFT_PRIOR_PX] * 2 + [_TILT_PRIOR_DEG, FACTOR_PRIOR, BACKGROUND_PRIOR * top])
        own = gram[:, :5, :5] + np.diag(widths**-2)
        cross = gram[:, :5, 5 : 5 + n]
        away = exposures.away(_SHIFT_PRIOR_PX, _TILT_PRIOR_DEG, top) / widths
        own_right = gram[:, :5, -1] - away
        self._inverse, self._cross, self._own_right = np.linalg.inv(own), cross, own_right
        self._information = gram[:, 5 : 5 + n, 5 : 5 + n].sum(axis=0) - np.einsum(
            "tij,tik,tkl->jl", cross, self._inverse, cross, optimize=True
        )
        self._right = gram[:, 5 : 5 + n, -1].sum(axis=0) - np.einsum(
            "tij,tik,tk->j", cross, self._inverse, own_right, optimize=True
        )
        size_px = float(np.cbrt(model.volume_px))
        shrunk_px = _VOLUME_PRIOR * model.volume_px / model.surface_px2
        prior = np.array(
            [
                *shared_priors(),
                *[np.inf] + [_TURN_PRIOR_DEG] * 3,
                *[shrunk_px] + [_ROUNDING_PRIOR * size_px] * 2,
                *[_COAT_PRIOR * model.shell_level] * 2,
                _BLUR_PRIOR_PX2,
                _CURVATURE_PRIOR,
            ]
        )
        self.farthest = np.array([_LONGEST_STEP, 0.2, 1.0, 0.5, 0.2, 5.0, 5.0, 5.0, *3 * prior[8:]])
        self._prior = prior[self._which] ** -2.0
        self._away = point.away[self._which]
        self._left = np.flatnonzero((self._which == 0) | (self._which >= len(SHARED)))

    def solve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Steps of ln tau and of what is the state's own, and (tilt, 5) of the exposures."""
        left = self._left
        found = np.zeros(len(self._which))
        matrix = (self._information + np.diag(self._prior))[np.ix_(left, left)]
        found[left] = np.linalg.lstsq(matrix, (self._right - self._prior * self._away)[left], rcond=None)[0]
        alone = np.einsum("tij,tj->ti", self._inverse, self._own_right - self._cross @ found)
        steps = np.zeros(len(UNKNOWNS))
        steps[self._which] = found
        return steps, np.clip(alone, *np.array([[-1.0], [1.0]]) * np.array([2.0, 2.0, 0.5, 0.2, np.inf]))

    def gain(self, names: Sequence[str]) -> float:
        """By what part chi2 would fall were these unknowns set free beside tau and scale."""
        own = np.flatnonzero(np.isin(self._which, [UNKNOWNS.index(name) for name in names]))
        plain = np.flatnonzero(np.isin(self._which, (0, len(SHARED))))
        matrix = self._information + np.diag(self._prior)
        inverse = np.linalg.pinv(matrix[np.ix_(plain, plain)])
        across = matrix[np.ix_(own, plain)] @ inverse
        right = self._right - self._prior * self._away
        left = right[own] - across @ right[plain]
        rest = matrix[np.ix_(own, own)] - across @ matrix[np.ix_(plain, own)]
        return float(left @ np.linalg.pinv(rest) @ left) / self._missed

    def ln_std(self, *, own: bool) -> float:
        """Of ln tau, what all states share fixed, and but for `own` what became of the particle."""
        kept = self._left if own else np.flatnonzero(np.isin(self._which, (0, len(SHARED))))
        posterior = (self._information + np.diag(self._prior))[np.ix_(kept, kept)]
        return float(np.sqrt(np.linalg.pinv(posterior)[0, 0])) if posterior[0, 0] > 0 else np.inf

    def shared(self, *, own: bool) -> SharedInformation:
        """What is left of the information when the scale, and the state's `own` unknowns, are eliminated."""
        n = len(SHARED)
        information, gradient = np.zeros((n, n)), np.zeros(n)
        common = np.flatnonzero(self._which < n)
        rest = np.flatnonzero(self._which >= n) if own else np.flatnonzero(self._which == n)
        inverse = np.linalg.pinv(self._information[np.ix_(rest, rest)] + np.diag(self._prior[rest]))
        across = self._information[np.ix_(common, rest)] @ inverse
        at = np.ix_(self._which[common], self._which[common])
        information[at] = self._information[np.ix_(common, common)] - across @ self._information[np.ix_(rest, common)]
        left = self._right[rest] - self._prior[rest] * self._away[rest]
        gradient[self._which[common]] = self._right[common] - across @ left
        return SharedInformation(self._point.shared, information / self._excess, gradient / self._excess)


def _start(
    projections: Projections, model: ParticleModel, trajectory: CompositionTrajectory
) -> tuple[StatePoint, Exposures]:
    """Shifts moved along the tilt axis onto the model, the most likely of a few ln tau, and the scale there."""
    scene = model.scene(projections.tilts_deg, projections.swept_deg)
    around = scene.around(model.surroundings)

    def signal(ln_tau: float) -> NDArray[np.float32]:
        composition = trajectory.at(ln_tau)[0]
        return model.response.signal(scene.particle(intensity(model, composition, 0.0)) + around)

    alloyed = signal(trajectory.range[1])
    shifts = projections.shifts_px.copy()
    profile = projections.moved(shifts, model.columns)[0].sum(axis=(0, 1))
    shifts[:, 1] += cross_correlation_shift(alloyed.sum(axis=(0, 1))[None], profile[None])[1]
    stack, seen = projections.moved(shifts, model.columns)
    weight = seen * projections.noise.weights(alloyed)
    tried = []
    for ln_tau in np.linspace(*trajectory.range, _TRIED):
        projected = signal(float(ln_tau))
        scale = float(np.vdot(weight * projected, stack) / np.vdot(weight * projected, projected))
        tried.append((float(np.vdot(weight, (stack - scale * projected) ** 2)), float(ln_tau), scale))
    _, best, scale = min(tried)
    return StatePoint(best, 0.0, CONSTANT, scale, Change.none()), Exposures.of(projections).with_shifts(shifts)
