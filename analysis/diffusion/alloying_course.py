"""A particle's way to the alloy, as the analysis simulated it: what a pulse would do, how well it would be seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.results import DiffusivityResult


class AlloyingCourse:
    """The particle's degree of alloying against tau = D t, and how well a tilt series tells it."""

    def __init__(self, result: DiffusivityResult) -> None:
        from scipy.interpolate import PchipInterpolator

        tau, degree = (np.asarray(v, np.float64) for v in (result.course_tau_nm2, result.course_degree))
        self._curve = PchipInterpolator(np.sqrt(tau), np.maximum.accumulate(degree))
        self._tau, self._measured = tau, np.asarray(result.course_measured, np.float64)
        seen = np.asarray(result.tau_nm2, np.float64)
        # One tilt series tells the degree about equally well at every degree.
        self._degree_std = float(np.median(np.asarray(result.tau_ln_std) * self.slope(seen)))
        self.information = float(np.sum(np.asarray(result.tau_ln_std, np.float64) ** -2.0))

    def degree(self, tau_nm2: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.asarray(self._curve(np.sqrt(np.clip(tau_nm2, 0.0, self._tau[-1]))))

    def both(self, tau_nm2: float) -> str:
        """The degree in words: of the metals, and as the spread of a reconstruction will show it."""
        shown = float(np.interp(np.sqrt(tau_nm2), np.sqrt(self._tau), self._measured))
        return f"{float(self.degree(tau_nm2)):.3f} (measured as {shown:.3f})"

    def slope(self, tau_nm2: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """d degree / d ln tau."""
        tau = np.asarray(tau_nm2, np.float64)
        return np.asarray(np.maximum((self.degree(1.05 * tau) - self.degree(tau / 1.05)) / (2.0 * np.log(1.05)), 1e-6))

    def tau_at(self, degree: float) -> float:
        fine = np.linspace(0.0, np.sqrt(self._tau[-1]), 4000) ** 2
        return float(np.interp(degree, self.degree(fine), fine))

    def gain(self, tau_nm2: NDArray[np.float64]) -> NDArray[np.float64]:
        """Information on ln D that a tilt series at tau adds."""
        return np.asarray((self.slope(tau_nm2) / self._degree_std) ** 2)
