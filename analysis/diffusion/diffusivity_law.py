"""How D changes with composition, c the atomic fraction of the core's element.

``ln D(c) = ln D + slope (c - mean) + 4 peak (c (1 - c) - mean (1 - mean))``: D is that at the particle's mean
composition. The slope is what Darken's mixing of two tracer diffusivities gives to first order; the peak is the
thermodynamic factor of a regular solution to first order (``1 - 2 Omega c (1 - c) / R T``), above zero for metals that
like to mix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DEGREE = 9
"""Of the polynomial that Kirchhoff's transformation is: to 1e-6 for slopes up to 3."""


@dataclass(frozen=True)
class DiffusivityLaw:
    """Slope and peak of ln D; D itself enters only through tau = D t."""

    slope: float = 0.0
    """Of ln D per unit of atomic fraction."""
    peak: float = 0.0
    """Of ln D at equal parts above that of the pure metals."""

    @property
    def constant(self) -> bool:
        return self.slope == 0.0 and self.peak == 0.0

    def ln_ratio(self, c: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
        """ln of D at c over D at the mean composition."""
        return np.asarray(self.slope * (c - mean) + 4.0 * self.peak * (c * (1.0 - c) - mean * (1.0 - mean)))

    def kirchhoff(self, mean: float) -> NDArray[np.float32]:
        """Coefficients, from the lowest power, of what flows down its own gradient at constant D, in ``c - mean``.

        The integral of D over D at the mean.
        """
        c = 0.5 - 0.5 * np.cos(np.pi * (np.arange(64) + 0.5) / 64)
        faster = np.polynomial.Polynomial.fit(c - mean, np.exp(self.ln_ratio(c, mean)), _DEGREE - 1).convert()
        return np.asarray(faster.integ().coef, np.float32)

    def fastest(self, mean: float) -> float:
        """The highest D over that at the mean composition."""
        return float(np.exp(self.ln_ratio(np.linspace(0.0, 1.0, 101), mean).max()))

    def beside(self, other: DiffusivityLaw) -> DiffusivityLaw:
        """How this law differs from another."""
        return DiffusivityLaw(self.slope - other.slope, self.peak - other.peak)

    def beyond(self, other: DiffusivityLaw) -> DiffusivityLaw:
        """This law on top of another."""
        return DiffusivityLaw(self.slope + other.slope, self.peak + other.peak)


CONSTANT = DiffusivityLaw()
