"""From line intensities to atomic fractions (Cliff and Lorimer, J. Microsc. 103 (1975) 203), errors carried through."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.edx.k_factors import KFactors
from analysis.edx.lines.fit import LineFit

_LIMIT_SIGMAS = 10.0


@dataclass(frozen=True)
class Composition:
    """Atomic fractions of some spectra."""

    fractions: NDArray[np.float64]
    """(spectrum, line), summing to 1; not a number where no line has counts."""
    by_noise: NDArray[np.float64]
    """Covariance (spectrum, line, line) by counting and misfit, the statistical part: it falls with more counts."""
    by_factors: NDArray[np.float64]
    """Covariance by the k-factors, absorption, and the shapes of lines, the systematic part: common to all spectra."""
    above_limit: NDArray[np.bool_]
    """(spectrum, line): whether a line is above the quantification limit, ``I > 10 sqrt(I + I_b)``
    (Moreira et al., Small 2024)."""

    def of(self, spectra: slice) -> Composition:
        """Of some of the spectra."""
        return Composition(*(getattr(self, name)[spectra] for name in self.__dataclass_fields__))

    @property
    def noise_std(self) -> NDArray[np.float64]:
        """(spectrum, line)"""
        return roots(self.by_noise)

    @property
    def factor_std(self) -> NDArray[np.float64]:
        """(spectrum, line)"""
        return roots(self.by_factors)

    @property
    def std(self) -> NDArray[np.float64]:
        """(spectrum, line)"""
        return roots(self.by_noise + self.by_factors)


def composition(fit: LineFit, factors: KFactors, common: NDArray[np.float64] | None = None) -> Composition:
    """Fractions ``k_i I_i / sum k_j I_j`` of the factors' lines, which are the fit's first.

    Parameters
    ----------
    common : covariance (spectrum, line, line) of the counts besides that of counting, see `LineModel.shape_covariance`;
        by default none
    """
    n = len(factors.lines)
    counts, covariance, under = fit.counts[:, :n], fit.covariance[:, :n, :n], fit.background[:, :n]
    k = np.exp(factors.ln_k)
    fractions, by_noise = fractions_of(counts * k, covariance * np.outer(k, k))
    slope = fractions[:, :, None] * (np.eye(n) - fractions[:, None, :])  # d f_i / d ln k_j = f_i (delta_ij - f_j)
    by_factors = slope @ factors.covariance @ slope.transpose(0, 2, 1)
    if common is not None:
        by_factors = by_factors + fractions_of(counts * k, common[:, :n, :n] * np.outer(k, k))[1]
    sigma_0 = np.sqrt(np.maximum(counts, 0.0) + under)
    return Composition(
        fractions,
        by_noise,
        by_factors,
        (counts > _LIMIT_SIGMAS * sigma_0) & np.isfinite(fractions),
    )


def told_alone(fit: LineFit) -> LineFit:
    """The fit with no negative counts: for spectra that are each told as a composition, not compared or averaged."""
    return replace(fit, counts=np.maximum(fit.counts, 0.0))


def composition_of_amounts(amounts: NDArray[np.float64], factors: KFactors) -> Composition:
    """What the factors alone leave open of one particle with these amounts of each line's element."""
    n = len(amounts)
    counts = 1e12 * (amounts / np.exp(factors.ln_k))[None]
    nothing = np.zeros((1, n))
    return composition(LineFit(counts, np.zeros((1, n, n)), nothing, nothing, np.ones(1)), factors)


def by_weight(found: Composition, molar_masses: NDArray[np.float64]) -> Composition:
    """Weight fractions from atomic ones."""
    both = np.outer(molar_masses, molar_masses)
    weights, by_noise = fractions_of(found.fractions * molar_masses, found.by_noise * both)
    _, by_factors = fractions_of(found.fractions * molar_masses, found.by_factors * both)
    return Composition(weights, by_noise, by_factors, found.above_limit)


def fractions_of(
    amounts: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fractions (sample, part) of some amounts, and their covariance; not a number where the sum is not above 0."""
    total = amounts.sum(axis=1, keepdims=True)
    total = np.where(total > 0.0, total, np.nan)
    fractions = amounts / total
    slope = (np.eye(amounts.shape[1]) - fractions[:, :, None]) / total[:, :, None]
    return fractions, slope @ covariance @ slope.transpose(0, 2, 1)


def roots(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviations (sample, part) of covariances (sample, part, part)."""
    return np.asarray(np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0)), np.float64)
