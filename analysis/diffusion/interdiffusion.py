"""D that changes with composition: ``D(c) = D exp(s (c - c_mean))``, c the atomic fraction of the core's element.

The slope s bends the profiles that a state's projections show, and ties the states together differently in time.
Every state is fitted at a few slopes; what all of them miss, as a polynomial in s, has its least at the most likely one
(profile likelihood).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.diffusivity_fit import DiffusivityFit
from analysis.diffusion.heated_state import HeatedState
from analysis.diffusion.joint_fit import fit_joint
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.model import ParticleModel

SLOPES = (-3.0, -1.5, 0.0, 1.5, 3.0)
"""At which every state is fitted; a slope outside is only said to lie there."""
_GRID_SLOPE_STD = 0.05
"""Of the slope, by what the voxel grid leaves open of surface and interface: on balls without a slope it was -0.1."""


@dataclass(frozen=True)
class Interdiffusion:
    """D at the mean composition, and how it changes with composition."""

    slope: float
    """Of ln D per atomic fraction."""
    slope_std: float
    """Infinite where the slope lies beyond those tried."""
    at_mean: DiffusivityFit


def steeper_trajectories(model: ParticleModel, trajectory: CompositionTrajectory) -> tuple[CompositionTrajectory, ...]:
    """Where the particle goes at each of `SLOPES`; `trajectory` is where it goes at none."""
    return tuple(trajectory if s == 0.0 else CompositionTrajectory(model, trajectory.voxel_nm, s) for s in SLOPES)


def fit_interdiffusion(
    seconds: NDArray[np.float64],
    temperatures_c: tuple[float, ...],
    states: Sequence[Sequence[HeatedState]],
    trajectories: Sequence[CompositionTrajectory],
    *,
    surface_ln_std: float,
    first_slope_std: float,
) -> Interdiffusion:
    """Slope and D from all heated states together.

    Parameters
    ----------
    seconds : (state, temperature) cumulative time at each temperature
    states : by state and slope, as `trajectories`
    surface_ln_std, first_slope_std : standard deviations of ln D and of the slope from the unheated particle
    """
    fits, missed = [], []
    for trajectory, at_slope in zip(trajectories, zip(*states, strict=True), strict=True):
        fit = fit_joint(
            seconds,
            temperatures_c,
            np.array([s.ln_tau for s in at_slope]),
            np.array([s.misfit_ln_std for s in at_slope]),
            np.array([trajectory.degree_slope(s.ln_tau) for s in at_slope]),
            surface_ln_std=surface_ln_std,
        )
        fits.append(fit)
        missed.append(fit.chi2 + sum(s.chi2 / max(1.0, s.misfit) for s in at_slope))
    nearest = int(np.argmin(missed))
    curve = np.polynomial.Polynomial.fit(SLOPES, np.array(missed) - missed[nearest], len(SLOPES) - 1)
    fine = np.linspace(SLOPES[0], SLOPES[-1], 6001)
    slope = float(fine[np.argmin(curve(fine))])
    sharpness = 0.5 * float(curve.deriv(2)(slope))
    told = sharpness > 0.0 and SLOPES[0] < slope < SLOPES[-1]
    slope_std = math.hypot(sharpness**-0.5, first_slope_std, _GRID_SLOPE_STD) if told else np.inf
    ln_d = [
        np.polynomial.Polynomial.fit(SLOPES, [float(np.log(f.d_m2_per_s[t])) for f in fits], len(SLOPES) - 1)
        for t in range(len(temperatures_c))
    ]
    d = np.exp([line(slope) for line in ln_d])
    by_slope = np.abs([line.deriv()(slope) for line in ln_d])
    std = d * np.hypot(fits[nearest].std_m2_per_s / fits[nearest].d_m2_per_s, by_slope * slope_std)
    blind = fits[nearest].saturated or not told
    return Interdiffusion(slope, slope_std, DiffusivityFit(temperatures_c, d, std, fits[nearest].scatter, blind))
