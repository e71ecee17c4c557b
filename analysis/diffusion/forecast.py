"""What a session should tell, from one rehearsal of it on the twin, and which pulses would tell more.

The rehearsal gives, for every particle, D, the way to the alloy and how well one tilt series sees it; from those the
errors of D and of the windows' temperatures follow for any other pulses by Fisher information, without another run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.activation_energy import ActivationEnergy
from analysis.diffusion.alloying_course import AlloyingCourse
from analysis.diffusion.arrhenius import Followed, expected_errors
from analysis.diffusion.time_at_temperature import USUAL_Q_J_PER_MOL
from analysis.results import Diffusivity, DiffusivityResult
from drivers.units import GAS_CONSTANT_J_PER_MOL_K, kelvin

Pulses = tuple[tuple[float, float], ...]
"""Temperature in C and duration in s of each, a tilt series of every particle after each."""

_SHORTEST_S, _LEAST_TAU_NM2 = 1.0, 1e-6
_TEMPERATURE_REACH_C = 40.0
_TRIES = 1500
_HOPELESS = 1e9


@dataclass(frozen=True)
class Expected:
    """Errors to expect, one standard deviation."""

    d_percent: dict[str, float]
    """By particle: of its best-known D."""
    offset_c: dict[str, float]
    """By window, against the first particle's."""

    @property
    def aim(self) -> float:
        """What a better schedule lowers: the worst offset's error where there is one, else the mean error of D."""
        return max(self.offset_c.values()) if self.offset_c else float(np.mean(list(self.d_percent.values())))


class Forecast:
    """Of the session whose results these are."""

    def __init__(
        self, latest: Sequence[DiffusivityResult], prior: ActivationEnergy | None, q_j_per_mol: float | None = None
    ) -> None:
        self._prior = prior
        self._q = q_j_per_mol or USUAL_Q_J_PER_MOL
        told = [r for r in latest if len(r.course_tau_nm2) > 2 and r.tau_ln_std and _sure(r)]
        self._particles = [(r, AlloyingCourse(r)) for r in told]

    @property
    def known(self) -> list[str]:
        """Particles that it can speak of."""
        return [r.particle for r, _ in self._particles]

    def expected(self, pulses: Pulses) -> Expected:
        """Errors after these pulses."""
        d_percent, followed = {}, []
        temperatures = tuple(dict.fromkeys(t for t, _ in pulses))
        seconds = np.zeros((len(pulses), len(temperatures)))
        for n, (t, s) in enumerate(pulses):
            seconds[n:, temperatures.index(t)] += s
        for result, course in self._particles:
            d_nm2 = np.array([self._d_nm2_per_s(result, t) for t in temperatures])
            tau = np.maximum(seconds @ d_nm2, _LEAST_TAU_NM2)
            ln_std = 1.0 / np.sqrt(np.maximum(course.gain(tau), 1e-12))
            shared = self._shared(result, course)
            by_temperature = seconds * d_nm2 / tau[:, None] / ln_std[:, None]
            information = by_temperature.T @ by_temperature + 1e-9 * np.eye(len(temperatures))
            best = float(np.sqrt(np.linalg.inv(information).diagonal().min() + shared**2))
            d_percent[result.particle] = 100.0 * best
            followed.append(
                Followed(result.particle, result.window, temperatures, seconds, np.log(tau), ln_std, shared)
            )
        offsets = expected_errors(followed, self._prior)
        return Expected(d_percent, offsets)

    def improved(self, pulses: Pulses, highest_c: float) -> Pulses:
        """As many pulses with no more time at temperature, of which the session would tell more.

        Durations are free; temperatures too, within 40 C, where it is the windows' that are asked for.
        """
        from scipy.optimize import minimize

        total_s = sum(s for _, s in pulses)
        shortest_s = min(_SHORTEST_S, 0.5 * total_s / len(pulses))
        start_c = np.array([t for t, _ in pulses])
        free_c = len({r.window for r, _ in self._particles}) > 1

        def as_pulses(x: NDArray[np.float64]) -> Pulses:
            share = np.exp(x[: len(pulses)] - x[: len(pulses)].max())
            duration_s = shortest_s + (total_s - len(pulses) * shortest_s) * share / share.sum()
            moved_c = _TEMPERATURE_REACH_C * np.tanh(x[len(pulses) :]) if free_c else np.zeros(len(pulses))
            temperature_c = np.minimum(np.round(start_c + moved_c), highest_c)
            return tuple((float(t), float(round(s, 1))) for t, s in zip(temperature_c, duration_s, strict=True))

        def cost(x: NDArray[np.float64]) -> float:
            return float(np.log(min(self.expected(as_pulses(x)).aim, _HOPELESS))) + 1e-4 * float(x @ x)

        durations = np.log(np.array([max(s, 0.1) for _, s in pulses]))
        found = [pulses]
        for spread in (durations - durations.mean(), np.zeros(len(pulses))):
            x = np.concatenate([spread, np.zeros(len(pulses) if free_c else 0)])
            steps = np.vstack([x, x + 0.7 * np.eye(len(x))])
            best = minimize(
                cost, x, method="Nelder-Mead", options={"initial_simplex": steps, "maxfev": _TRIES, "xatol": 0.01}
            )
            found.append(as_pulses(best.x))
        return min(found, key=lambda p: self.expected(p).aim)

    def _d_nm2_per_s(self, result: DiffusivityResult, temperature_c: float) -> float:
        """At the known temperature nearest to it, carried over with the activation energy."""
        near = min(_sure(result), key=lambda d: abs(d.temperature_c - temperature_c))
        inverse = 1.0 / kelvin(temperature_c) - 1.0 / kelvin(near.temperature_c)
        return near.value * 1e18 * float(np.exp(-self._q / GAS_CONSTANT_J_PER_MOL_K * inverse))

    @staticmethod
    def _shared(result: DiffusivityResult, course: AlloyingCourse) -> float:
        """Error of ln D that no further state lowers: the unheated particle's."""
        best = min(d.std / d.value for d in _sure(result))
        return float(np.sqrt(max(0.0, best**2 - 1.0 / course.information)))


def _sure(result: DiffusivityResult) -> list[Diffusivity]:
    return [d for d in result.diffusivities if d.known]
