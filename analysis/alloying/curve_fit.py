"""D from the alloying curve, with its standard deviation.

Mychinko et al., Small 2021: the simulated curve is fitted to the measured degrees by Brent's method on the squared
difference; the standard deviation comes from the finite-difference Fisher information at the optimum. Two terms the
counting noise does not know are added: the position of the particle's surface (D scales with length squared) and the
level of the unalloyed state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.alloying.simulated_measurement import AlloyingCurve
from analysis.diffusion.diffusivity_fit import DiffusivityFit

_LN_STEP = 0.02
_LEAST_SCATTER = 0.0015
"""Of a degree: what the states of a simulated session scatter by."""
_PART, _PART_STD = 0.5, 0.5
"""Of the artefacts that stays as the particle alloys, as a prior."""
_TURNS = 4


def fit_diffusivity(
    curve: AlloyingCurve,
    seconds: NDArray[np.float64],
    temperatures_c: tuple[float, ...],
    degree: NDArray[np.float64],
    *,
    surface_ln_std: float,
    level_degree: float,
    artefact_degree: NDArray[np.float64] | None = None,
) -> DiffusivityFit:
    """Fit one D per temperature to all heated states together.

    Parameters
    ----------
    seconds : (state, temperature) cumulative time at each temperature
    degree : (state,) measured degree of alloying
    surface_ln_std : standard deviation of ln D from the surface's position
    level_degree : uncertainty of the unalloyed level, as a degree at the start; it fades as alloying proceeds
    artefact_degree : (state,) by how much the degree rises when the artefacts of the first reconstruction are taken
        off; which part of them stays in the later ones is fitted as well, from a prior of 0.5 +- 0.5
    """
    artefact = np.zeros_like(degree) if artefact_degree is None else artefact_degree
    ln_d, part = _with_artefacts(curve, seconds, degree, artefact)
    slopes = _slopes(curve, seconds, ln_d)
    residual = degree + part * artefact - _model(curve, seconds, ln_d)
    free = max(1, len(degree) - len(temperatures_c))
    scatter = float(np.sqrt(np.sum(residual**2) / free))
    information = slopes.T @ slopes
    saturated = bool(np.any(np.diag(information) < 1e-4))
    error = max(scatter, _LEAST_SCATTER)
    unsure = artefact * _PART_STD / error
    # The part eliminated: what an artefact could pretend tells nothing of D.
    left = np.eye(len(degree)) - np.outer(unsure, unsure) / (1.0 + unsure @ unsure)
    covariance = np.linalg.pinv(slopes.T @ left @ slopes) * error**2
    level = np.linalg.pinv(slopes) @ (level_degree * (1.0 - degree))
    ln_std = np.sqrt(np.diag(covariance) + surface_ln_std**2 + level**2)
    if saturated:
        ln_std = np.where(np.diag(information) < 1e-4, np.inf, ln_std)
    d = np.exp(ln_d) * 1e-18
    return DiffusivityFit(temperatures_c, d, d * ln_std, float(np.sqrt(np.mean(residual**2))), saturated)


def _with_artefacts(
    curve: AlloyingCurve, seconds: NDArray[np.float64], degree: NDArray[np.float64], artefact: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """ln D and the part of the artefacts that stays, in turns: each has its least at given other."""
    part = _PART
    ln_d = _best_ln_d(curve, seconds, degree + part * artefact)
    weight = _LEAST_SCATTER**-2.0
    for _ in range(_TURNS if np.any(artefact) else 0):
        missed = _model(curve, seconds, ln_d) - degree
        slopes = _slopes(curve, seconds, ln_d)
        # D follows the part: only what no D explains may move it.
        across = artefact - slopes @ (np.linalg.pinv(slopes) @ artefact)
        step = weight * float(across @ (missed - part * artefact)) - (part - _PART) / _PART_STD**2
        part += step / (weight * float(across @ across) + _PART_STD**-2.0)
        ln_d = _best_ln_d(curve, seconds, degree + part * artefact)
    return ln_d, part


def _model(curve: AlloyingCurve, seconds: NDArray[np.float64], ln_d: NDArray[np.float64]) -> NDArray[np.float64]:
    return curve.degree(seconds @ np.exp(ln_d))


def _best_ln_d(curve: AlloyingCurve, seconds: NDArray[np.float64], degree: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln of D in nm2/s: Brent for one temperature, Levenberg-Marquardt from there for several."""
    from scipy.optimize import least_squares, minimize_scalar

    total = seconds.sum(axis=1, keepdims=True)

    def loss(ln_d: float) -> float:
        return float(np.sum((_model(curve, total, np.array([ln_d])) - degree) ** 2))

    longest = float(total.max())
    low = np.log(curve.tau_nm2[1] / longest) - 2.0
    high = np.log(curve.tau_nm2[-1] / max(float(total[total > 0].min()), 1e-9)) + 2.0
    grid = np.linspace(low, high, 60)
    best = int(np.argmin([loss(g) for g in grid]))
    single = float(grid[best])
    if 0 < best < 59 and loss(single) < min(loss(grid[best - 1]), loss(grid[best + 1])):
        bracket = (float(grid[best - 1]), single, float(grid[best + 1]))
        single = float(minimize_scalar(loss, bracket=bracket, method="brent").x)
    if seconds.shape[1] == 1:
        return np.array([single])
    start = np.full(seconds.shape[1], single)

    def residual(ln_d: NDArray[np.float64]) -> NDArray[np.float64]:
        return _model(curve, seconds, ln_d) - degree

    found = least_squares(residual, start, diff_step=np.full(len(start), _LN_STEP))
    return np.asarray(found.x)


def _slopes(curve: AlloyingCurve, seconds: NDArray[np.float64], ln_d: NDArray[np.float64]) -> NDArray[np.float64]:
    """d degree / d ln D by central differences, (state, temperature)."""
    columns = []
    for i in range(len(ln_d)):
        step = np.zeros_like(ln_d)
        step[i] = _LN_STEP
        rise = _model(curve, seconds, ln_d + step) - _model(curve, seconds, ln_d - step)
        columns.append(rise / (2 * _LN_STEP))
    return np.stack(columns, axis=1)
