"""Activation energy, and how much colder or warmer one window of a chip is than another.

Particles of one kind share ``D = D0 exp(-Q / R T)``; in another window the true temperature is the nominal one plus an
offset (Chen et al., Part. Part. Syst. Charact. 2023, equations 2 and 3). All states of all particles are fitted
together by Levenberg-Marquardt, in the diffusion done, ``tau = sum of D t``, so that neighbouring intervals share the
state between them as they should.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.activation_energy import ActivationEnergy
from analysis.diffusion.uncertainty import LENGTH_OF_PULSES, TEMPERATURE_OF_PULSES, Uncertainty
from analysis.results import Arrhenius, Estimate, WindowOffset
from analysis.results.diffusivity import TEMPERATURE_CALIBRATION
from drivers.frames import HeatPulse
from drivers.units import GAS_CONSTANT_J_PER_MOL_K, kelvin

_USUAL_Q_J_PER_MOL = 200e3
"""Where the search begins."""
_COLDEST_K = 100.0
_FARTHEST_C = 300.0
"""An offset is looked for within so much."""
_TOO_VAGUE_C = 150.0
_OPEN = 1e14
"""Condition of the scaled normal equations, above which numbers are made of rounding."""
_ALIKE = 2.0
_OTHERS = 0.7
"""Of ln tau: within it, what tilts and grid do to a state is much the same; and the correlation of that with what they
do to another particle of its kind."""


@dataclass(frozen=True)
class Followed:
    """How far one particle has diffused in each of its states."""

    particle: str
    window: str
    temperatures_c: tuple[float, ...]
    """Nominal."""
    seconds: NDArray[np.float64]
    """(state, temperature), cumulative."""
    ln_tau: NDArray[np.float64]
    """(state,), tau in nm2."""
    ln_std: NDArray[np.float64]
    shared_ln_std: float
    """What all states of this particle share: its surface."""
    floor_ln_std: NDArray[np.float64] | None = None
    """(state,), of what particles of one kind share that have diffused alike: tilts and grid."""
    pulses: tuple[HeatPulse, ...] = ()
    """All the heat that it had, of which `seconds` are the sums."""

    @property
    def total_ln_std(self) -> NDArray[np.float64]:
        """(state,)."""
        return self.ln_std if self.floor_ln_std is None else np.hypot(self.ln_std, self.floor_ln_std)


def fit_arrhenius(
    particles: Sequence[Followed],
    *,
    simulated: bool,
    prior: ActivationEnergy | None = None,
    uncertainty: Uncertainty | None = None,
) -> Arrhenius | None:
    """D0, Q and the offset of every window from the first particle's; nothing where the data cannot tell.

    With one temperature, D alone cannot tell a colder window from a higher activation energy: it takes a prior on Q.
    Systematic errors are what the fit says with the heat one sigma off; the windows share it, so in their offset most
    of it cancels.
    """
    used = [p for p in particles if len(p.ln_tau)]
    temperatures = {t for p in used for t in p.temperatures_c}
    windows = list(dict.fromkeys(p.window for p in used))
    if not used or (len(temperatures) < 2 and (prior is None or len(windows) < 2)):
        return None
    model = _Model(used, windows, prior)
    start = model.start()
    if model.open(start):
        return None
    found, missed = model.solve(start)
    jacobian = model.slopes(found)
    information = jacobian.T @ jacobian
    if _undetermined(information):
        return None
    excess = max(1.0, missed / max(1, model.data - len(found) + len(used)))
    covariance = np.linalg.inv(information) * excess
    if np.any(np.sqrt(np.diag(covariance)[2 : 2 + len(windows) - 1]) > _TOO_VAGUE_C):
        return None
    budget = {} if uncertainty is None else _budget(used, windows, prior, found, uncertainty)

    def part(place: int) -> dict[str, float]:
        return {cause: float(moved[place]) for cause, moved in budget.items()}

    offsets = {
        window: model.offset(
            found, missed, excess, 2 + place, float(np.sqrt(covariance[2 + place, 2 + place])), part(2 + place)
        )
        for place, window in enumerate(windows[1:])
    }
    q, d0_slope = float(found[1]), np.zeros(len(found))
    d0_slope[:2] = 1.0, 1.0 / (GAS_CONSTANT_J_PER_MOL_K * model.middle_k)
    d0 = float(np.exp(d0_slope @ found)) * 1e-18
    return Arrhenius(
        q_j_per_mol=Estimate(q, float(np.sqrt(covariance[1, 1]))),
        d0_m2_per_s=Estimate(d0, d0 * float(np.sqrt(d0_slope @ covariance @ d0_slope))),
        q_budget_j_per_mol=part(1),
        reference=windows[0],
        offsets_c=offsets,
        misfit=missed / max(1, model.data - len(found) + len(used)),
        simulated=simulated,
    )


def expected_errors(particles: Sequence[Followed], prior: ActivationEnergy | None = None) -> dict[str, float]:
    """Standard deviation of each window's offset, in C, that states known so well would give; empty for one window.

    An infinite one is not determined by them.
    """
    windows = list(dict.fromkeys(p.window for p in particles))
    if len(windows) < 2:
        return {}
    model = _Model(particles, windows, prior)
    start = model.start()
    if model.open(start):
        return dict.fromkeys(windows[1:], float("inf"))
    jacobian = model.slopes(model.solve(start)[0])
    information = jacobian.T @ jacobian
    if _undetermined(information):
        return dict.fromkeys(windows[1:], float("inf"))
    variance = np.diag(np.linalg.inv(information))
    return {w: float(np.sqrt(variance[2 + place])) for place, w in enumerate(windows[1:])}


class _Model:
    """Unknowns: ln D (nm2/s) at the middle temperature, Q, an offset per further window, a shift per particle."""

    def __init__(self, particles: Sequence[Followed], windows: Sequence[str], prior: ActivationEnergy | None) -> None:
        self._particles = particles
        self._places = [windows.index(p.window) - 1 for p in particles]
        self._windows, self._prior = len(windows) - 1, prior
        self.middle_k = float(np.mean([kelvin(t) for p in particles for t in p.temperatures_c]))
        self.data = sum(len(p.ln_tau) for p in particles) + (prior is not None)
        self._whitening = _whitening(particles)

    def start(self) -> NDArray[np.float64]:
        """Each window's offset by its mean D against the first one's."""
        q = _USUAL_Q_J_PER_MOL if self._prior is None else self._prior.q_j_per_mol
        per_c = q / (GAS_CONSTANT_J_PER_MOL_K * self.middle_k**2)
        level = []
        for p in self._particles:
            activity = np.exp(-per_c * (self.middle_k - np.array([kelvin(t) for t in p.temperatures_c])))
            level.append(float(np.mean(p.ln_tau - np.log(np.maximum(p.seconds @ activity, 1e-9)))))
        reference = float(np.mean([v for v, place in zip(level, self._places, strict=True) if place < 0]))
        offsets = [
            float(np.mean([v for v, place in zip(level, self._places, strict=True) if place == w])) - reference
            for w in range(self._windows)
        ]
        limited = np.clip(np.array(offsets) / per_c, -0.5 * _FARTHEST_C, 0.5 * _FARTHEST_C)
        return np.array([reference, q, *limited, *np.zeros(len(self._particles))])

    def open(self, x: NDArray[np.float64]) -> bool:
        """Whether there are more unknowns than states and priors, as where one state has had two temperatures."""
        return len(self.residual(x)) < len(x)

    def residual(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """All misses in units of their errors, priors' with them."""
        shifts = x[2 + self._windows :]
        out = []
        for p, place, shift in zip(self._particles, self._places, shifts, strict=True):
            offset_c = x[2 + place] if place >= 0 else 0.0
            t = np.maximum(np.array([kelvin(c) for c in p.temperatures_c]) + offset_c, _COLDEST_K)
            d = np.exp(np.clip(x[0] - x[1] / GAS_CONSTANT_J_PER_MOL_K * (1.0 / t - 1.0 / self.middle_k), -200, 200))
            expected = np.log(np.maximum(p.seconds @ d, 1e-300))
            out.append(expected + shift - p.ln_tau)
        out = [self._whitening @ np.concatenate(out)]
        out.append(shifts / np.array([max(p.shared_ln_std, 1e-6) for p in self._particles]))
        if self._prior is not None:
            out.append(np.array([(x[1] - self._prior.q_j_per_mol) / self._prior.q_std_j_per_mol]))
        return np.concatenate(out)

    def solve(self, start: NDArray[np.float64], fixed: int | None = None) -> tuple[NDArray[np.float64], float]:
        """The best unknowns and the squares they miss by; one of them may be fixed."""
        from scipy.optimize import least_squares

        free = np.array([i for i in range(len(start)) if i != fixed])
        scale = np.ones(len(start))
        scale[1], scale[2 : 2 + self._windows] = 1e4, 10.0

        def miss(y: NDArray[np.float64]) -> NDArray[np.float64]:
            x = start.copy()
            x[free] = y
            return self.residual(x)

        found = least_squares(miss, start[free], method="lm", x_scale=scale[free])
        best = start.copy()
        best[free] = found.x
        return best, float(2.0 * found.cost)

    def slopes(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        steps = np.full(len(x), 1e-4)
        steps[1], steps[2 : 2 + self._windows] = 10.0, 1e-2
        columns = [
            (self.residual(x + step) - self.residual(x - step)) / (2.0 * size)
            for size, step in zip(steps, np.diag(steps), strict=True)
        ]
        return np.stack(columns, axis=1)

    def offset(
        self,
        best: NDArray[np.float64],
        missed: float,
        excess: float,
        place: int,
        std: float,
        budget_c: dict[str, float],
    ) -> WindowOffset:
        """One offset with its 68 % interval by profile likelihood: where the misses rise by one."""
        value = float(best[place])

        def rise(offset_c: float) -> float:
            start = best.copy()
            start[place] = offset_c
            return (self.solve(start, fixed=place)[1] - missed) / excess

        low = value - _where_one(lambda reach: rise(value - reach), std)
        high = value + _where_one(lambda reach: rise(value + reach), std)
        sigmas = min(abs(value) / std, float(np.sqrt(max(0.0, rise(0.0)))))
        return WindowOffset(value, std, low, high, sigmas, budget_c)


def _budget(
    particles: Sequence[Followed],
    windows: Sequence[str],
    prior: ActivationEnergy | None,
    found: NDArray[np.float64],
    uncertainty: Uncertainty,
) -> dict[str, NDArray[np.float64]]:
    """How far each unknown moves, by cause, with the heat of all particles one sigma off: they lie on one chip."""
    every = tuple(sorted({t for p in particles for t in p.temperatures_c}))
    pulses = max((p.pulses for p in particles), key=len)
    of_pulses_c, of_lengths = uncertainty.of_pulses(every, pulses)

    def moved(by_c: NDArray[np.float64], by_part: NDArray[np.float64]) -> NDArray[np.float64]:
        off = []
        for p in particles:
            at = [every.index(t) for t in p.temperatures_c]
            warmer = tuple(t + float(by_c[k]) for t, k in zip(p.temperatures_c, at, strict=True))
            off.append(replace(p, temperatures_c=warmer, seconds=p.seconds * (1.0 + by_part[at])))
        model = _Model(off, windows, prior)
        return np.asarray(model.solve(found)[0] - found, np.float64)

    none, each = np.zeros(len(every)), np.eye(len(every))
    return {
        TEMPERATURE_CALIBRATION: np.abs(moved(np.full(len(every), uncertainty.temperature_c), none)),
        TEMPERATURE_OF_PULSES: np.linalg.norm([moved(one * of_pulses_c, none) for one in each], axis=0),
        LENGTH_OF_PULSES: np.linalg.norm([moved(none, one * of_lengths) for one in each], axis=0),
    }


def _undetermined(information: NDArray[np.float64]) -> bool:
    """Whether the data leave a combination of the unknowns open, in whatever units these are."""
    scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
    return bool(np.linalg.cond(information / np.outer(scale, scale)) > _OPEN)


def _whitening(particles: Sequence[Followed]) -> NDArray[np.float64]:
    """By which the misses of all states become independent and of unit variance."""
    ln_tau = np.concatenate([p.ln_tau for p in particles])
    floors = [np.zeros_like(p.ln_std) if p.floor_ln_std is None else p.floor_ln_std for p in particles]
    floor = np.concatenate(floors)
    owner = np.repeat(np.arange(len(particles)), [len(p.ln_tau) for p in particles])
    alike = np.exp(-0.5 * ((ln_tau[:, None] - ln_tau) / _ALIKE) ** 2)
    alike *= np.where(owner[:, None] == owner, 1.0, _OTHERS)
    covariance = np.diag(np.concatenate([p.ln_std for p in particles]) ** 2) + np.outer(floor, floor) * alike
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)), np.float64)


def _where_one(rise: Callable[[float], float], std: float) -> float:
    """The distance at which a rising function reaches 1, near `std`; the limit of the search when it never does."""
    from scipy.optimize import brentq

    reach = std
    while rise(reach) < 1.0:
        reach *= 1.5
        if reach > _FARTHEST_C:
            return np.inf
    return float(brentq(lambda r: rise(r) - 1.0, 0.0, reach, xtol=1e-3 * std))
