"""The components of a map as compositions; for their errors, each is found again in counts drawn from its model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.edx.composition import Composition, composition, told_alone
from analysis.edx.decomposition import (
    Components,
    components_seen,
    independent_components,
    non_negative_components,
    principal_components,
)
from analysis.edx.k_factors import KFactors
from analysis.edx.lines.fit import fit_lines
from analysis.edx.lines.model import LineModel
from analysis.edx.radial_profile import rings_around
from analysis.edx.spectrum_image import SpectrumImage
from analysis.images.main_body import main_body

_FEWEST_COUNTS_PER_PIXEL = 100.0
"""Pixels are binned to so many counts before they are decomposed."""
_FEWEST_PIXELS = 8
"""Along the shorter side, when binned."""
_DENSER = 1.5
"""A component is the particles' when it is so much denser under them than elsewhere."""
_DRAWS = 8


@dataclass(frozen=True)
class ComponentResult:
    """One component. It is no phase: where two metals are mixed, neither component need be either of them."""

    of_particle: bool
    counts: float
    fractions: NDArray[np.float64]
    """(line): atomic fractions; not a number where it has no counts in the lines."""
    std: NDArray[np.float64]
    """By counting, by the split, and by the k-factors."""


@dataclass(frozen=True)
class DenoisedProfile:
    """Composition of rings about the main particle's centre, of the counts without most of their noise."""

    radius_nm: NDArray[np.float64]
    """Middle of each ring."""
    fractions: NDArray[np.float64]
    """(ring, line)"""
    std: NDArray[np.float64]
    """By drawing the counts again, and by how far the raw counts lie off: what few components cannot describe."""


@dataclass(frozen=True)
class Decomposed:
    """A map's components, the largest first."""

    scree: NDArray[np.float64] | None = None
    non_negative: tuple[ComponentResult, ...] = ()
    independent: tuple[ComponentResult, ...] = ()
    profile: DenoisedProfile | None = None


class FollowedComponents:
    """Non-negative components that follow a map as its frames arrive, from where they were a frame before."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._last: Components | None = None

    def follow(
        self, image: SpectrumImage, mask: NDArray[np.bool_], model: LineModel, factors: KFactors
    ) -> tuple[ComponentResult, ...]:
        """The largest first; their errors are those of counting alone."""
        spectra, under, _ = _binned(image, mask)
        if self._last is None or len(self._last.maps) != len(spectra):
            self._last = independent_components(principal_components(spectra, self._number), self._number)
        # Maps grow with the counts; what they are multiplied with is taken up in the first update.
        self._last = non_negative_components(spectra, self._last, rounds=1)
        found = _quantified(self._last, image, model, factors)
        return _told(self._last, under, found, found.std)


def decomposed(
    image: SpectrumImage, mask: NDArray[np.bool_], model: LineModel, factors: KFactors, number: int | None
) -> Decomposed:
    """Non-negative and independent components, their number by default as the scree shows it."""
    spectra, under, binned = _binned(image, mask)
    pca = principal_components(spectra)
    independent = independent_components(pca, number or components_seen(pca))
    positive = non_negative_components(spectra, independent)
    size, positive_draws, independent_draws = len(independent.spectra), [], []
    rng = np.random.default_rng(0)
    for _ in range(_DRAWS):
        again = rng.poisson(positive.maps @ positive.spectra)
        rotated = independent_components(principal_components(again, size), size)
        positive_draws.append(_like(non_negative_components(again, rotated), positive))
        independent_draws.append(_like(rotated, independent))

    def results(split: Components, draws: list[Components]) -> tuple[ComponentResult, ...]:
        found = _quantified(split, image, model, factors)
        drawn = np.array([_quantified(draw, image, model, factors).fractions for draw in draws])
        return _told(split, under, found, np.hypot(_scatter(drawn), found.factor_std))

    profile = _denoised_profile(binned, under, [positive, *positive_draws], model, factors)
    return Decomposed(pca.scree, results(positive, positive_draws), results(independent, independent_draws), profile)


def _denoised_profile(
    binned: SpectrumImage, under: NDArray[np.bool_], splits: Sequence[Components], model: LineModel, factors: KFactors
) -> DenoisedProfile | None:
    """Of the first of the splits; the others are of counts drawn from it."""
    mask = under.reshape(binned.counts.shape[:2])
    if not mask.any():
        return None
    body = main_body(mask)
    _, ring, ring_nm = rings_around(binned, body, mask, model.families[: len(factors.lines)])
    rings = np.arange(int(ring[body].max()) + 1)
    inside = np.stack([(ring == n).ravel() for n in rings]).astype(np.float64)
    total = binned.total
    found = [composition(fit_lines(model, (inside @ s.maps) @ s.spectra, like=total), factors) for s in splits]
    fractions = np.array([c.fractions for c in found], np.float64)
    counts = np.asarray(binned.counts.reshape(inside.shape[1], -1), np.float64)
    raw = composition(fit_lines(model, inside @ counts, like=total), factors)
    off = np.where(np.isfinite(raw.fractions), raw.fractions - fractions[0], 0.0)
    std = np.sqrt(fractions[1:].var(axis=0, ddof=1) + off**2 + found[0].factor_std ** 2)
    return DenoisedProfile(
        np.asarray(ring_nm * (rings + 0.5), np.float64), found[0].fractions, np.asarray(std, np.float64)
    )


def _binned(
    image: SpectrumImage, mask: NDArray[np.bool_]
) -> tuple[NDArray[np.generic], NDArray[np.bool_], SpectrumImage]:
    """Spectra (pixel, channel) of pixels binned until there are enough counts, which are the particles', the map."""
    bins = 1
    sides = image.counts.shape[:2]
    while (
        image.total.sum() / mask.size * bins**2 < _FEWEST_COUNTS_PER_PIXEL and min(sides) // (2 * bins) > _FEWEST_PIXELS
    ):
        bins *= 2
    binned = image.binned(bins)
    rows, columns, channels = binned.counts.shape
    under = mask[: rows * bins, : columns * bins].reshape(rows, bins, columns, bins).mean(axis=(1, 3)).ravel() > 0.5
    return binned.counts.reshape(rows * columns, channels), np.asarray(under, np.bool_), binned


def _quantified(split: Components, image: SpectrumImage, model: LineModel, factors: KFactors) -> Composition:
    sizes = np.maximum(split.maps.sum(axis=0), 0.0)
    fit = told_alone(fit_lines(model, split.spectra * sizes[:, None], like=image.total))
    return composition(fit, factors, model.shape_covariance(fit.counts))


def _told(
    split: Components, under: NDArray[np.bool_], found: Composition, std: NDArray[np.float64]
) -> tuple[ComponentResult, ...]:
    """The largest first."""
    sizes = split.maps.sum(axis=0)
    inside, outside = (
        split.maps[where].mean(axis=0) if where.any() else np.zeros(len(sizes)) for where in (under, ~under)
    )
    return tuple(
        ComponentResult(
            bool(inside[n] > _DENSER * max(float(outside[n]), 0.0)), float(sizes[n]), found.fractions[n], std[n]
        )
        for n in np.argsort(-sizes)
    )


def _scatter(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """(component, line): standard deviation of those draws in which the component has counts in the lines."""
    told = np.atleast_2d(np.isfinite(draws).all(axis=2))
    return np.stack(
        [
            draws[told[:, n], n].std(axis=0, ddof=1) if told[:, n].sum() > 1 else np.full(draws.shape[2], np.nan)
            for n in range(draws.shape[1])
        ]
    )


def _like(split: Components, wanted: Components) -> Components:
    """The components in the order of those that their spectra are most like."""
    from scipy.optimize import linear_sum_assignment

    a, b = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in (wanted.spectra, split.spectra))
    _, order = linear_sum_assignment(-(a @ b.T))
    return Components(split.maps[:, order], split.spectra[order])
