"""Line intensities from spectra: overlapping peaks on a smooth background, weighted by the counts' own Poisson noise.

Weighted least squares for the columns of a `LineModel`. Areas may come out negative, so that weak lines are not biased
upwards where many spectra are compared or averaged; of one spectrum that is told as a composition, `bounded` has the
likeliest areas that can be. Where residuals are larger than noise, errors are larger by as much (Birge, Phys. Rev. 40
(1932) 207): the model misses something, and nothing says that it does so only where no line is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.edx.lines.model import LineModel

_ROUNDS = 4
_FEW_COUNTS = 300.0
_LIKELY_SIGMAS = 2.0
"""A mean squared residual that is larger by less may be chance."""
_FAINTEST = 0.02
"""Of the mean expected counts per channel: the least that weights go by."""


@dataclass(frozen=True)
class LineFit:
    """Areas of main lines in some spectra."""

    counts: NDArray[np.float64]
    """(spectrum, line)"""
    covariance: NDArray[np.float64]
    """(spectrum, line, line), by counting and by misfit."""
    background: NDArray[np.float64]
    """(spectrum, line): counts under each line, within its full width at half maximum."""
    fitted: NDArray[np.float64]
    """(spectrum, channel of the model)"""
    misfit: NDArray[np.float64]
    """(spectrum): mean squared residual over its Poisson variance; about 1 for a model that explains the spectrum."""

    def of(self, spectra: slice) -> LineFit:
        """Of some of the spectra."""
        return LineFit(*(getattr(self, name)[spectra] for name in self.__dataclass_fields__))

    @property
    def std(self) -> NDArray[np.float64]:
        return np.asarray(np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2)))


def fit_lines(model: LineModel, spectra: NDArray[np.generic], like: NDArray[np.generic] | None = None) -> LineFit:
    """Fit spectra (spectrum, channel) of the whole axis.

    Parameters
    ----------
    like : a spectrum whose shape the weights go by, for spectra with few counts, as pixels of a map: weights by their
        own counts would go with their noise. Also for spectra that are no counts, as components are.
    """
    counts = np.asarray(spectra, np.float64)[:, model.channels]
    if like is None:
        areas = np.asarray(np.linalg.lstsq(model.design, counts.T, rcond=None)[0].T, np.float64)
        for _ in range(_ROUNDS):
            expected = areas @ model.design.T
            areas, covariance = _weighted(counts, expected, model, areas)
    else:
        shape = fit_lines(model, np.asarray(like)[None])
        part = np.maximum(counts.sum(axis=1, keepdims=True), 1e-6) / shape.fitted.sum()
        expected = shape.fitted * part
        areas, covariance = _weighted(counts, expected, model, shape.counts * part)
    fitted = areas @ model.design.T
    variance = floored(expected)
    misfit = ((counts - fitted) ** 2 / variance).sum(axis=1) / _free(model)
    if like is None:
        covariance = covariance * beyond_noise(misfit, model)[:, None, None]
    lines = len(model.families)
    under = _under(model, areas)
    return LineFit(areas[:, :lines], covariance[:, :lines, :lines], under, fitted, misfit)


def fit_sums(model: LineModel, spectra: NDArray[np.generic], like: NDArray[np.generic]) -> LineFit:
    """Fit spectra summed over many pixels, each by its own weights, but those with few counts after all by a shape."""
    few = np.asarray(spectra)[:, model.channels].sum(axis=1) < _FEW_COUNTS
    own, shared = fit_lines(model, spectra), fit_lines(model, spectra, like)
    return LineFit(
        *(
            np.where(few.reshape(-1, *[1] * (np.ndim(a) - 1)), b, a)
            for a, b in ((getattr(own, name), getattr(shared, name)) for name in own.__dataclass_fields__)
        )
    )


def beyond_noise(misfit: NDArray[np.float64], model: LineModel) -> NDArray[np.float64]:
    """(spectrum): by what factor variances are larger than those of counting; 1 where noise explains the misfit."""
    likely = 1.0 + _LIKELY_SIGMAS * np.sqrt(2.0 / _free(model))
    return np.where(misfit > likely, misfit, 1.0)


def bounded(
    model: LineModel, spectrum: NDArray[np.float64], like: NDArray[np.float64] | None = None
) -> tuple[LineFit, tuple[int, ...]]:
    """Of one spectrum (channel): the likeliest amounts of which none is negative, and which families are held at zero.

    Errors stay those of the free fit: a line that is held may be there up to its own.

    Parameters
    ----------
    like : as of `fit_sums`, where the spectrum may have few counts
    """

    def fit(of: LineModel) -> LineFit:
        return fit_lines(of, spectrum[None]) if like is None else fit_sums(of, spectrum[None], like)

    free = found = fit(model)
    held: tuple[int, ...] = ()
    while True:
        sigmas = found.counts[0] / free.std[0]
        worst = int(np.argmin(sigmas))
        if sigmas[worst] >= 0.0:
            return found, held
        held = (*held, worst)
        without = fit(without_lines(model, held))
        counts = without.counts.copy()
        counts[:, list(held)] = 0.0
        found = replace(without, counts=counts, covariance=free.covariance)


def without_lines(model: LineModel, held: Sequence[int]) -> LineModel:
    """The model with some families at zero."""
    design = model.design.copy()
    design[:, [*held, *(d.column for d in model.departures if d.family in held)]] = 0.0
    return replace(model, design=design)


def _weighted(
    counts: NDArray[np.float64], expected: NDArray[np.float64], model: LineModel, before: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas (spectrum, column) and their covariance, each spectrum with its own weights.

    Departures are held to their part of their family's area as it was `before`.
    """
    design = model.design
    weights = 1.0 / floored(expected)
    scale = np.sqrt(np.einsum("nc,ci->ni", weights, design**2))
    scale = np.where(scale > 0.0, scale, 1.0)
    normal = np.stack([design.T @ (of_one[:, None] * design) for of_one in weights])
    for d in model.departures:
        normal[:, d.column, d.column] += (d.std * np.maximum(before[:, d.family], 1.0)) ** -2.0
    normal = normal / scale[:, :, None] / scale[:, None, :] + 1e-9 * np.eye(design.shape[1])
    inverse = np.linalg.inv(normal) / scale[:, :, None] / scale[:, None, :]
    return np.einsum("nij,nj->ni", inverse, (weights * counts) @ design), inverse


def _free(model: LineModel) -> int:
    """Degrees of freedom of a spectrum's residuals; departures are held and cost none."""
    channels, columns = model.design.shape
    free: int = channels - columns + len(model.departures)
    return max(1, free)


def floored(expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poisson variances (spectrum, channel) by expected counts."""
    mean = np.maximum(expected.mean(axis=1, keepdims=True), 1e-6)
    return np.asarray(np.maximum(expected, _FAINTEST * mean), np.float64)


def _under(model: LineModel, areas: NDArray[np.float64]) -> NDArray[np.float64]:
    """All that is not a line itself, within its full width at half maximum."""
    energies_kev = model.axis.energies_kev[model.channels]
    found = []
    for number, family in enumerate(model.families):
        inside = np.abs(energies_kev - family.main_kev) <= 0.5 * model.axis.fwhm_kev(family.main_kev)
        others = np.delete(np.arange(model.design.shape[1]), number)
        found.append((areas[:, others] @ model.design[inside][:, others].T).sum(axis=1))
    return np.asarray(np.maximum(np.stack(found, axis=1), 0.0), np.float64)
