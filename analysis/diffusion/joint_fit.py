"""One D per temperature from the diffusion done in every state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.diffusivity_fit import DiffusivityFit

TOO_VAGUE = 0.5
"""Of ln tau: a state known no better says nothing."""
_DEGREE_FLOOR = 0.0005
"""Error of a state's degree of alloying that counting noise does not know: tilts, residual misalignment, grid. With it
the states of rods miss one D by their errors; those of cubes by less."""


def floor_ln_std(degree_slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Error of ln tau by the floor of the degree of alloying, of which `degree_slope` is the slope."""
    return np.asarray(_DEGREE_FLOOR / np.maximum(degree_slope, 1e-6), np.float64)


def fit_joint(
    seconds: NDArray[np.float64],
    temperatures_c: tuple[float, ...],
    ln_tau: NDArray[np.float64],
    ln_std: NDArray[np.float64],
    degree_slope: NDArray[np.float64],
    *,
    surface_ln_std: float,
) -> DiffusivityFit:
    """Weighted least squares in ln tau, ``tau = sum of D t`` over the temperatures.

    Parameters
    ----------
    seconds : (state, temperature) cumulative time at each temperature
    ln_tau, ln_std : (state,) tau in nm2 and its counting error
    degree_slope : (state,) d degree / d ln tau, by which the floor of the degree becomes one of ln tau
    surface_ln_std : standard deviation of ln D from what all states share, the unheated particle
    """
    from scipy.optimize import least_squares

    sigma = np.hypot(ln_std, floor_ln_std(degree_slope))
    used = sigma < TOO_VAGUE
    heated = seconds.sum(axis=1) > 0
    used &= heated
    n = len(temperatures_c)
    if used.sum() < 1:
        total = np.maximum(seconds.sum(axis=1), 1e-9)
        guess = float(np.median((ln_tau - np.log(total))[heated])) if heated.any() else 0.0
        d = np.full(n, np.exp(guess) * 1e-18)
        return DiffusivityFit(temperatures_c, d, np.full(n, np.inf), 0.0, True)
    t, y, s = seconds[used], ln_tau[used], sigma[used]
    start = np.full(n, float(np.average(y - np.log(t.sum(axis=1)), weights=s**-2)))

    def residual(ln_d: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((np.log(np.maximum(t @ np.exp(ln_d), 1e-300)) - y) / s)

    found = least_squares(residual, start)
    jacobian = np.asarray(found.jac, np.float64)
    information = jacobian.T @ jacobian
    blind = np.diag(information) < 1.0 / TOO_VAGUE**2
    free = max(1, len(y) - n)
    excess = max(1.0, float(np.sum(found.fun**2)) / free)
    by_noise = jacobian * (s / ln_std[used])[:, None]
    counting = np.sqrt(np.diag(np.linalg.pinv(by_noise.T @ by_noise)))
    ln_std_d = np.sqrt(np.diag(np.linalg.pinv(information)) * excess + surface_ln_std**2)
    ln_std_d = np.where(blind, np.inf, ln_std_d)
    d = np.exp(found.x) * 1e-18
    scatter = float(np.sqrt(np.mean((found.fun * s * degree_slope[used]) ** 2)))
    return DiffusivityFit(
        temperatures_c, d, d * ln_std_d, scatter, bool(blind.any()), counting, chi2=float(np.sum(found.fun**2))
    )
