"""A spectrum image from counts to composition: region, lines, fractions; where asked for, profile and components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.edx.clustering import Workflow
from analysis.edx.composition import Composition, composition
from analysis.edx.decomposition import (
    Components,
    components_seen,
    independent_components,
    non_negative_components,
    principal_components,
)
from analysis.edx.k_factors import Basis, KFactors, k_factors
from analysis.edx.line_fit import LineFit, LineModel, fit_lines
from analysis.edx.other_lines import calibrated, with_other_lines
from analysis.edx.phases import Phases, find_phases
from analysis.edx.radial_profile import RadialProfile, radial_profile, shells
from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.x_ray_lines import LineFamily, line_family
from drivers.errors import ConfigError

Region = tuple[int, int, int, int]
"""First and last row, first and last column, the last ones left out."""
_SMOOTH_PX = 1.0
_OVERLAP = 0.97
_POOR_MISFIT = 2.0
_SEEN_SIGMAS = 3.0
_FEWEST_COUNTS_PER_PIXEL = 100.0
"""Pixels are binned to so many counts before they are decomposed."""
_BACKGROUND_PART = 0.2
"""A component is the particles' when this part of its counts more lies under them than of their area."""


@dataclass(frozen=True)
class ComponentResult:
    """One component of a decomposition."""

    of_particle: bool
    counts: float
    composition: Composition


@dataclass(frozen=True)
class MapResult:
    """What a map tells."""

    image: SpectrumImage
    """With its energy axis calibrated."""
    model: LineModel
    factors: KFactors
    region: NDArray[np.bool_]
    fit: LineFit
    composition: Composition
    profile: RadialProfile | None
    shells: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    scree: NDArray[np.float64] | None
    components: tuple[ComponentResult, ...]
    """Non-negative ones."""
    sources: tuple[ComponentResult, ...]
    """Independent ones, of blind source separation."""
    phases: Phases | None
    notes: tuple[str, ...]
    """What a person should know before believing the numbers."""

    @property
    def elements(self) -> list[str]:
        return [f.element for f in self.model.families[: len(self.factors.lines)]]


def analyse_map(
    image: SpectrumImage,
    lines: Sequence[str],
    given_k: Sequence[str] = (),
    *,
    basis: Basis = "atomic",
    region: Region | None = None,
    radial: bool = False,
    decompose: bool = False,
    number: int | None = None,
    cluster: Workflow | None = None,
    cluster_number: int | None = None,
) -> MapResult:
    """Quantify a spectrum image.

    Parameters
    ----------
    lines : main lines such as ``Ag_La``, one per element
    given_k : factors, see `k_factors`
    region : pixels to quantify; by default those that are bright in the lines
    decompose : also split the map into components; `number` of them, by default as many as the scree shows
    cluster : also group pixels into phases; `cluster_number` of them, by default as many as differ

    Raises
    ------
    ConfigError
        For lines or factors that make no sense together or with this map, and where no line has counts.
    """
    asked = _families(image, lines)
    factors = k_factors(asked, given_k, basis)
    total = image.total
    axis = calibrated(image.axis, total, asked, image.beam_kev)
    image = replace(image, axis=axis)
    model = with_other_lines(axis, total, asked, image.beam_kev)
    _check_overlap(model, total, asked)
    mask = _region(image, asked, region)
    fit = fit_lines(model, image.spectrum_of(mask)[None])
    found = composition(fit, factors)
    if np.isnan(found.fractions).any():
        words = (
            f"no counts in {', '.join(lines)} above the background; are these the right lines, and is it calibrated?"
        )
        raise ConfigError(image.title, [words])
    notes = _notes(fit, found, factors, model)
    profile = radial_profile(image, mask, model, factors) if radial else None
    if radial and profile is None:
        notes.append("no radial profile: fewer than two rings of 0.5 nm have a line above the quantification limit")
    scree, parts, sources = _decomposed(image, mask, model, factors, number) if decompose else (None, (), ())
    apart = shells(profile, factors) if profile is not None else None
    elements = [f.element for f in asked]
    phases = None
    if cluster is not None:
        phases = find_phases(image, model, factors, elements, cluster, cluster_number)
    return MapResult(
        image, model, factors, mask, fit, found, profile, apart, scree, parts, sources, phases, tuple(notes)
    )


def _families(image: SpectrumImage, lines: Sequence[str]) -> list[LineFamily]:
    problems: list[str] = []
    asked: list[LineFamily] = []
    for name in lines:
        try:
            family = line_family(name, image.beam_kev)
        except ValueError as error:
            problems.append(str(error))
            continue
        low_kev, high_kev = image.axis.energies_kev[[0, -1]]
        if not max(low_kev, 0.1) < family.main_kev < high_kev:
            span = f"{max(low_kev, 0.0):.1f} to {high_kev:.1f} keV"
            problems.append(f"line {name}: lies at {family.main_kev:.2f} keV, the spectra go from {span}")
        if family.element in (f.element for f in asked):
            problems.append(f"line {name}: {family.element} is there twice; give one line of each element")
        asked.append(family)
    if len(asked) < 2 and not problems:
        problems.append("give at least two lines: a composition is of one element against others")
    if problems:
        raise ConfigError(image.title or "lines", problems)
    return asked


def _check_overlap(model: LineModel, total: NDArray[np.float64], asked: Sequence[LineFamily]) -> None:
    """Lines that the fit cannot tell apart."""
    covariance = fit_lines(model, total[None]).covariance[0]
    std = np.sqrt(np.diagonal(covariance))
    problems = [
        f"{a.name} and {b.name} lie {1e3 * abs(a.main_kev - b.main_kev):.0f} eV apart and cannot be told apart; "
        "take another line of one of them"
        for i, a in enumerate(asked)
        for j, b in enumerate(asked[:i])
        if abs(covariance[i, j]) > _OVERLAP * std[i] * std[j]
    ]
    if problems:
        raise ConfigError("lines", problems)


def _region(image: SpectrumImage, asked: Sequence[LineFamily], region: Region | None) -> NDArray[np.bool_]:
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    otsu: Any = threshold_otsu  # scikit-image ships no types
    shape = image.counts.shape[:2]
    if region is not None:
        top, bottom, left, right = region
        if not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
            words = f"rows {top}:{bottom}, columns {left}:{right} do not lie in the {shape[0]} x {shape[1]} pixels"
            raise ConfigError("--region", [words])
        mask = np.zeros(shape, bool)
        mask[top:bottom, left:right] = True
        return mask
    bright = gaussian_filter(image.lines_map(asked), _SMOOTH_PX)
    if np.ptp(bright) <= 0.0:
        raise ConfigError(image.title, ["no pixel is brighter than another in these lines; give --region"])
    return np.asarray(bright > float(otsu(bright)), np.bool_)


def _notes(fit: LineFit, found: Composition, factors: KFactors, model: LineModel) -> list[str]:
    notes = []
    for n, name in enumerate(factors.lines):
        counts, std = fit.counts[0, n], fit.std[0, n]
        if counts < _SEEN_SIGMAS * std:
            notes.append(f"{name}: no counts above the background ({counts:.0f} +- {std:.0f})")
    below = [name for name, above in zip(factors.lines, found.above_limit[0], strict=True) if not above]
    if below and not notes:
        notes.append(f"below the quantification limit of 10 sigma of peak and background: {', '.join(below)}")
    if factors.computed:
        notes.append(f"k computed, good to 5 % (K), 10 % (L), 25 % (M), for {', '.join(factors.computed)}")
    others = [f.name for f in model.families[len(factors.lines) :]]
    if others:
        notes.append(f"also seen and fitted: {', '.join(others)}")
    if fit.misfit[0] > _POOR_MISFIT:
        notes.append(f"the lines and a smooth background miss the spectrum by {fit.misfit[0]:.1f} times the noise")
    return notes


def _decomposed(
    image: SpectrumImage, mask: NDArray[np.bool_], model: LineModel, factors: KFactors, number: int | None
) -> tuple[NDArray[np.float64], tuple[ComponentResult, ...], tuple[ComponentResult, ...]]:
    """The scree; non-negative and independent components with their compositions."""
    bins = 1
    while image.total.sum() / mask.size * bins**2 < _FEWEST_COUNTS_PER_PIXEL and min(mask.shape) // (2 * bins) > 8:
        bins *= 2
    binned = image.binned(bins)
    rows, columns, channels = binned.counts.shape
    under = mask[: rows * bins, : columns * bins].reshape(rows, bins, columns, bins).mean(axis=(1, 3)).ravel() > 0.5
    spectra = binned.counts.reshape(rows * columns, channels)
    pca = principal_components(spectra)
    independent = independent_components(pca, number or components_seen(pca))

    def quantified(split: Components) -> tuple[ComponentResult, ...]:
        sizes = split.maps.sum(axis=0)
        fit = fit_lines(model, split.spectra * np.maximum(sizes, 0.0)[:, None], like=image.total)
        found = composition(fit, factors)
        inside = split.maps[under].sum(axis=0) / np.where(sizes == 0.0, 1.0, sizes)
        return tuple(
            ComponentResult(
                bool(inside[n] > under.mean() + _BACKGROUND_PART), float(sizes[n]), found.of(slice(n, n + 1))
            )
            for n in np.argsort(-sizes)
        )

    return pca.scree, quantified(non_negative_components(spectra, independent)), quantified(independent)
