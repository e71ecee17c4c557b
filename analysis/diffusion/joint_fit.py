"""One D per temperature from the diffusion done in every state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.diffusivity_fit import DiffusivityFit
from analysis.diffusion.heated_state import HeatedState
from analysis.diffusion.state_equations import SharedInformation, shared_priors

TOO_VAGUE = 0.5
"""Of ln tau: a state known no better says nothing."""
_LEAST_TOLD = 1e-10
_FARTHEST = 100.0
"""ln D in nm2/s is looked for within so much."""
_TOLD_GAIN, _TOLD_PART = 400.0, 0.5
"""Of chi2, above which what all states share is not as in a book, and the part of it that this must explain. The grid
alone makes it some ten; particles that turned or shrank, a thousand, but little of what they are missed by. A law does
nine tenths."""
_LAWS = ((0,), (1, 2))
"""Of `SHARED`: that intensity bends with composition; that D changes with it."""
_GRID_STD = np.array([0.0, 0.1, 0.05])
"""Of bow, slope and peak, by what the voxel grid and the fit of the unheated particle do to profiles."""
_CAUSES = ("composition law", "D of composition", "D of composition")
"""Of what `SHARED` adds to sigma."""
_DEGREE_FLOOR = 0.0005
"""Error of a state's degree of alloying that counting noise does not know: tilts, residual misalignment, grid. With it
the states of rods miss one D by their errors; those of cubes by less."""


def floor_ln_std(degree_slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Error of ln tau by the floor of the degree of alloying, of which `degree_slope` is the slope."""
    return np.asarray(_DEGREE_FLOOR / np.maximum(degree_slope, 1e-6), np.float64)


def fit_joint(
    seconds: NDArray[np.float64],
    temperatures_c: tuple[float, ...],
    states: Sequence[HeatedState],
    degree_slope: NDArray[np.float64],
    *,
    surface_ln_std: float,
    straight: bool = False,
) -> DiffusivityFit:
    """Maximum likelihood of D at each temperature and of what all states share, ``tau = sum of D t``.

    Parameters
    ----------
    seconds : (state, temperature) cumulative time at each temperature
    degree_slope : (state,) d degree / d ln tau, by which the floor of the degree becomes one of ln tau
    surface_ln_std : standard deviation of ln D from what all states share, the unheated particle
    straight : whether D does not change with composition, whatever the states tell
    """
    from scipy.optimize import least_squares

    ln_tau = np.array([s.ln_tau for s in states])
    ln_std = np.array([s.misfit_ln_std for s in states])
    floor = floor_ln_std(degree_slope)
    heated = seconds.sum(axis=1) > 0
    used = (np.hypot(ln_std, floor) < TOO_VAGUE) & heated
    n = len(temperatures_c)
    if not used.any():
        total = np.maximum(seconds.sum(axis=1), 1e-9)
        guess = float(np.median((ln_tau - np.log(total))[heated])) if heated.any() else 0.0
        d = np.full(n, np.exp(guess) * 1e-18)
        return DiffusivityFit(temperatures_c, d, np.full(n, np.inf), 0.0, True)
    t, y = seconds[used], ln_tau[used]
    told = [_told(s, f) for s, f, kept in zip(states, floor, used, strict=True) if kept]
    points, rows, aims = (np.stack(of_each) for of_each in zip(*told, strict=True))
    priors = shared_priors()[1:]

    def residual(x: NDArray[np.float64]) -> NDArray[np.float64]:
        expected = np.log(np.maximum(t @ np.exp(np.clip(x[:n], -_FARTHEST, _FARTHEST)), 1e-300))
        values = np.column_stack([expected, np.broadcast_to(x[n:], (len(t), len(priors)))])
        missed = (rows @ (values - points)[:, :, None])[:, :, 0] - aims
        return np.concatenate([missed.ravel(), x[n:] / priors])

    def as_in_a_book(ln_d: NDArray[np.float64]) -> NDArray[np.float64]:
        return residual(np.r_[ln_d, np.zeros(len(priors))])

    own = np.hypot(ln_std, floor)[used]
    start = np.full(n, float(np.average(y - np.log(t.sum(axis=1)), weights=own**-2)))
    plain = least_squares(as_in_a_book, start, x_scale="jac")
    free = least_squares(residual, np.r_[plain.x, np.zeros(len(priors))], x_scale="jac")

    def with_law(law: tuple[int, ...]) -> tuple[float, NDArray[np.float64]]:
        """Cost and values where only these of what is shared are not as in a book."""
        places = [*range(n), *(n + k for k in law)]

        def whole(some: NDArray[np.float64]) -> NDArray[np.float64]:
            x = np.zeros(n + len(priors))
            x[places] = some
            return x

        def with_some(some: NDArray[np.float64]) -> NDArray[np.float64]:
            return residual(whole(some))

        fit = least_squares(with_some, np.r_[plain.x, np.zeros(len(law))], x_scale="jac")
        return float(fit.cost), whole(fit.x)

    # One law if it will do: a second one must explain as large a part of what the first leaves.
    cost, law = min((with_law(law) for law in _LAWS), key=lambda found: found[0])
    if _explains(cost, free.cost):
        cost, law = float(free.cost), free.x
    bent = _explains(plain.cost, cost) and not straight
    x = law if bent else np.r_[plain.x, np.zeros(len(priors))]
    x[:n] = np.clip(x[:n], -_FARTHEST, _FARTHEST)
    jacobian = np.asarray(free.jac, np.float64)
    information = jacobian.T @ jacobian
    covariance = np.linalg.pinv(information)
    blind = np.diag(information)[:n] < 1.0 / TOO_VAGUE**2
    expected = np.log(t @ np.exp(x[:n]))
    at_shared = [ln_tau_given(s.shared, x[n:]) for s, kept in zip(states, used, strict=True) if kept]
    missed = (expected - np.array(at_shared)) / own
    excess = max(1.0, float(np.sum(missed**2)) / max(1, len(y) - n))
    by_d = (t * np.exp(x[:n])) / np.exp(expected)[:, None]
    statistical, unchanged, counted = (
        np.diag(np.linalg.pinv(by_d.T @ (by_d / s[:, None] ** 2)))
        for s in (own, np.hypot([s.free_ln_std for s in states], floor)[used], ln_std[used])
    )
    budget = {"shape, place and focus": np.sqrt(np.maximum(unchanged - statistical, 0.0))}
    for place, cause in enumerate(_CAUSES, n):
        kept = [k for k in range(len(free.x)) if k != place]
        fixed = np.linalg.pinv(information[np.ix_(kept, kept)])
        budget[cause] = np.hypot(
            budget.get(cause, 0.0), np.sqrt(np.maximum(np.diag(covariance)[:n] - np.diag(fixed)[:n], 0.0))
        )
    if not bent:
        kept_states = [s.shared for s, kept in zip(states, used, strict=True) if kept]
        left_out = np.minimum(np.abs(free.x - x)[:n], _by_priors(kept_states, own))
        budget["D of composition"] = np.hypot(budget["D of composition"], left_out)
    budget["states that miss one D"] = np.sqrt(statistical * (excess - 1.0))
    d = np.exp(x[:n]) * 1e-18
    ln_std_d = np.where(blind, np.inf, np.sqrt(statistical + surface_ln_std**2))
    return DiffusivityFit(
        temperatures_c,
        d,
        d * ln_std_d,
        float(np.sqrt(np.mean((missed * own * degree_slope[used]) ** 2))),
        bool(blind.any()),
        np.sqrt(counted),
        shared=(law if bent else free.x)[n:],
        shared_std=np.hypot(np.sqrt(np.diag(covariance)[n:]), _GRID_STD),
        bent=bent,
        budget=budget,
    )


def _explains(before: float, after: float) -> bool:
    """Whether a law explains enough of what states are missed by: of half of chi2 before it, and after it."""
    explained = before - after
    return bool(2.0 * explained > _TOLD_GAIN and explained > _TOLD_PART * before)


def _told(state: HeatedState, floor: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What a state tells of what is shared, widened by misfit and floor: a point, and a least-squares problem's rows
    and aims about it. A row of what it does not tell is nothing."""
    shared = state.shared
    information, gradient = (v / max(1.0, state.misfit) for v in (shared.information, shared.gradient))
    # An error of ln tau alone, eliminated.
    along = information[:, 0] / (information[0, 0] + floor**-2.0)
    gradient = gradient - along * gradient[0]
    information = information - np.outer(along, information[0])
    size, axes = np.linalg.eigh(0.5 * (information + information.T))
    root = np.sqrt(np.where(size > _LEAST_TOLD * size.max(), size, 0.0))
    along_axes = axes.T @ gradient
    return shared.point, root[:, None] * axes.T, np.divide(along_axes, root, out=np.zeros_like(root), where=root > 0.0)


def _by_priors(states: Sequence[SharedInformation], ln_std: NDArray[np.float64]) -> float:
    """Of ln D, by all that D may change with composition: more is not believed without being told."""
    per_prior = np.array([s.information[0, 2:] / s.information[0, 0] for s in states]) * shared_priors()[2:]
    return float(np.linalg.norm(np.average(per_prior, axis=0, weights=ln_std**-2.0)))


def ln_tau_given(shared: SharedInformation, values: NDArray[np.float64]) -> float:
    """The most likely ln tau of a state once what it shares with others is known."""
    away = values - shared.point[1:]
    return float(shared.point[0] + (shared.gradient[0] - shared.information[0, 1:] @ away) / shared.information[0, 0])
