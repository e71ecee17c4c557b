"""What one heated state's projections tell of its unknowns, near one point: Gauss-Newton normal equations.

What a projection alone knows, its `Exposures`, is eliminated projection by projection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.state_slopes import (
    CAUSES,
    OWN,
    PLAIN,
    SHARED,
    SUSPECTS,
    UNKNOWNS,
    StatePoint,
    state_slopes,
    with_causes,
)
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.exposures import BACKGROUND_PRIOR, FACTOR_PRIOR, Exposures, slopes_of
from analysis.particle_model.model import ParticleModel
from analysis.tomography.projections import Projections

_SHIFT_PRIOR_PX, _TILT_PRIOR_DEG = 1.0, 0.3
BOW_PRIOR, _SLOPE_PRIOR, _PEAK_PRIOR = 0.1, 1.5, 0.5
_TURN_PRIOR_DEG = 10.0
_VOLUME_PRIOR, _ROUNDING_PRIOR = 0.05, 0.03
"""Part of the volume that is lost; displacement over the cube root of the volume."""
_COAT_PRIOR, _BLUR_PRIOR_PX2 = 0.05, 0.3
"""Of the shell's level."""
_VOID_PRIOR, _VOID_STEP = 0.2, 0.05
"""Its radius, and by how much it and the centre go in one step, over the cube root of the volume."""
_LONGEST_STEP = 1.0
_SUSPECT_GAIN = 0.1
"""Of chi2."""
_TOLD_GAINS = {"turned": 0.002, "lost": 0.002, "rounded": 0.012, "coated": 0.003, "blurred": 0.005}
"""Of chi2, as a part of what there is, from which a cause is told. Noise, and the grid of a particle that is
understood, make each some ten-thousandths, blur up to a thousandth; one per cent of a volume lost, some hundredths. A
void has no slope to be told by before it is there."""


@dataclass(frozen=True)
class SharedInformation:
    """What one state tells of the unknowns that all states share, without their priors: a parabola about a point."""

    point: NDArray[np.float64]
    """In the order of `SHARED`."""
    information: NDArray[np.float64]
    gradient: NDArray[np.float64]
    """Of the log-likelihood at the point."""


def shared_priors() -> NDArray[np.float64]:
    """Standard deviations of `SHARED` about zero; ln tau may be anything."""
    return np.array([np.inf, BOW_PRIOR, _SLOPE_PRIOR, _PEAK_PRIOR])


class StateEquations:
    """Normal equations of one state at one point, of `which` of its unknowns.

    Parameters
    ----------
    usual_misfit : mean squared miss of a pixel of the unheated series, which counts as noise
    """

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
        residual, weight = projections.missed(signal, stack, seen)
        self._excess = usual_misfit
        self._missed = max(float((weight * residual**2).sum(dtype=np.float64)), 1.0)
        self.misfit = float((weight * residual**2).sum(dtype=np.float64) / seen.sum())
        single = slopes_of(signal, factors * slopes.by_tilt, exposures.factors)
        n = len(self._which)
        # One matrix product per projection gives all sums of products that follow; each part is written once.
        z = np.empty((len(signal), 5 + n + 1, *signal.shape[1:]), np.float32)
        root = np.sqrt(weight)
        np.multiply(single, root[:, None], out=z[:, :5])
        np.multiply(residual, root, out=z[:, -1])
        root *= factors
        for place, slope in enumerate(slopes.unknowns, 5):
            np.multiply(slope, root, out=z[:, place])
        z = z.reshape(*z.shape[:2], -1)
        gram = np.matmul(z, z.transpose(0, 2, 1)).astype(np.float64)
        top = float(signal.max())
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
                _VOID_PRIOR * size_px,
                *[np.inf] * 3,
            ]
        )
        void_px = _VOID_STEP * size_px
        self.farthest = np.array([_LONGEST_STEP, 0.2, 1.0, 0.5, 0.2, 5.0, 5.0, 5.0, *3 * prior[8:-4], *[void_px] * 4])
        self._prior = prior[self._which] ** -2.0
        self._away = point.away[self._which]
        self._own = np.flatnonzero(self._which >= len(SHARED))
        self._left = np.r_[0, self._own]

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

    def gain(self, names: Sequence[str], beside: Sequence[str] = PLAIN) -> float:
        """By what part chi2 would fall were these unknowns set free beside others that are."""
        own, plain = (np.flatnonzero(np.isin(self._which, [UNKNOWNS.index(n) for n in g])) for g in (names, beside))
        matrix = self._information + np.diag(self._prior)
        inverse = np.linalg.pinv(matrix[np.ix_(plain, plain)])
        across = matrix[np.ix_(own, plain)] @ inverse
        right = self._right - self._prior * self._away
        left = right[own] - across @ right[plain]
        rest = matrix[np.ix_(own, own)] - across @ matrix[np.ix_(plain, own)]
        return float(left @ np.linalg.pinv(rest) @ left) / self._missed

    def told(self, known: Sequence[str], doubt: float = 1.0) -> str:
        """Which of `CAUSES` explains most beside `known` ones, and enough; nothing where none does.

        What composition explains better is left to all states together. With `doubt` a cause must explain so many times
        as much.
        """
        gains = self.gains(known)
        enough = [cause for cause in gains if gains[cause] > doubt * _TOLD_GAINS[cause]]
        best = max(enough, key=gains.__getitem__, default="")
        return best if best and gains[best] > self.gain(SHARED[1:], with_causes(known)) else ""

    def gains(self, known: Sequence[str]) -> dict[str, float]:
        """Of each cause that slopes tell, beside known ones."""
        beside = with_causes(known)
        return {cause: self.gain(CAUSES[cause], beside) for cause in _TOLD_GAINS if cause not in known}

    @property
    def straight_misfit(self) -> float:
        """What would be left of the misfit were all slopes straight, and everything free."""
        return self.misfit * (1.0 - self.gain(OWN[1:]))

    def suspect(self) -> str:
        """What would explain most of what is missed; nothing when none of it explains much."""
        gains = {words: self.gain(names) for words, names in SUSPECTS.items()}
        best = max(gains, key=gains.__getitem__)
        return best if gains[best] > _SUSPECT_GAIN else "nothing that is known"

    def ln_std(self, *, own: bool) -> float:
        """Of ln tau, what all states share fixed, and but for `own` what became of the particle."""
        kept = self._left if own else np.flatnonzero(np.isin(self._which, (0, len(SHARED))))
        posterior = (self._information + np.diag(self._prior))[np.ix_(kept, kept)]
        return float(np.sqrt(np.linalg.pinv(posterior)[0, 0])) if posterior[0, 0] > 0 else np.inf

    def shared(self, causes: Sequence[str]) -> SharedInformation:
        """What is left of the information when the scale, and what is unknown by such `causes`, are eliminated."""
        n = len(SHARED)
        information, gradient = np.zeros((n, n)), np.zeros(n)
        common = np.flatnonzero(self._which < n)
        unknown = set(with_causes(causes)) - set(SHARED)
        rest = np.flatnonzero(np.isin(self._which, [UNKNOWNS.index(name) for name in unknown]))
        inverse = np.linalg.pinv(self._information[np.ix_(rest, rest)] + np.diag(self._prior[rest]))
        across = self._information[np.ix_(common, rest)] @ inverse
        at = np.ix_(self._which[common], self._which[common])
        information[at] = self._information[np.ix_(common, common)] - across @ self._information[np.ix_(rest, common)]
        left = self._right[rest] - self._prior[rest] * self._away[rest]
        gradient[self._which[common]] = self._right[common] - across @ left
        return SharedInformation(self._point.shared, information / self._excess, gradient / self._excess)
