"""From line intensities to atomic fractions (Cliff and Lorimer, J. Microsc. 103 (1975) 203), errors carried through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.edx.k_factors import KFactors
from analysis.edx.line_fit import LineFit

_LIMIT_SIGMAS = 10.0


@dataclass(frozen=True)
class Composition:
    """Atomic fractions of some spectra."""

    fractions: NDArray[np.float64]
    """(spectrum, line), summing to 1; not a number where no line has counts."""
    by_counting: NDArray[np.float64]
    """Covariance (spectrum, line, line) by counting: it falls with more counts."""
    by_factors: NDArray[np.float64]
    """Covariance by the k-factors: common to all spectra."""
    above_limit: NDArray[np.bool_]
    """(spectrum, line): whether a line is above the quantification limit, ``I > 10 sqrt(I + I_b)`` (paper 000)."""

    def of(self, spectra: slice) -> Composition:
        """Of some of the spectra."""
        return Composition(*(getattr(self, name)[spectra] for name in self.__dataclass_fields__))

    @property
    def counting_std(self) -> NDArray[np.float64]:
        """(spectrum, line)"""
        return _roots(self.by_counting)

    @property
    def factor_std(self) -> NDArray[np.float64]:
        """(spectrum, line)"""
        return _roots(self.by_factors)

    @property
    def std(self) -> NDArray[np.float64]:
        """(spectrum, line)"""
        return _roots(self.by_counting + self.by_factors)


def composition(fit: LineFit, factors: KFactors) -> Composition:
    """Fractions ``k_i I_i / sum k_j I_j`` of the factors' lines, which are the fit's first."""
    n = len(factors.lines)
    counts, covariance, under = fit.counts[:, :n], fit.covariance[:, :n, :n], fit.background[:, :n]
    k = np.exp(factors.ln_k)
    amounts = counts * k
    total = amounts.sum(axis=1)
    usable = total > 0.0
    fractions = np.full_like(amounts, np.nan)
    fractions[usable] = amounts[usable] / total[usable, None]
    # d f_i / d ln a_j = f_i (delta_ij - f_j); and by counts (delta_ij - f_i) k_j / total, finite where one has none.
    slope = fractions[:, :, None] * (np.eye(n) - fractions[:, None, :])
    per_total = np.divide(1.0, total, out=np.full_like(total, np.nan), where=usable)
    by_counts = (np.eye(n) - fractions[:, :, None]) * (k * per_total[:, None])[:, None, :]
    sigma_0 = np.sqrt(np.maximum(counts, 0.0) + under)
    return Composition(
        fractions,
        by_counts @ covariance @ by_counts.transpose(0, 2, 1),
        slope @ factors.covariance @ slope.transpose(0, 2, 1),
        (counts > _LIMIT_SIGMAS * sigma_0) & usable[:, None],
    )


def _roots(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0)), np.float64)
