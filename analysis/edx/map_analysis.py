"""A spectrum image from counts to composition: region, lines, fractions; where asked for, profile and components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.blas_thread import one_blas_thread
from analysis.edx.clustering import Workflow
from analysis.edx.composition import Composition, composition
from analysis.edx.energy_ranges import counts_in_ranges
from analysis.edx.k_factors import Basis, KFactors, k_factors
from analysis.edx.line_fit import LineFit, LineModel, fit_lines, fit_sums, none_negative
from analysis.edx.line_positions import open_by_positions
from analysis.edx.map_components import Decomposed, FollowedComponents, decomposed
from analysis.edx.other_lines import FARTHEST_GAIN, calibrated, with_other_lines
from analysis.edx.phases import Phases, find_phases
from analysis.edx.radial_profile import RadialProfile, radial_profile
from analysis.edx.size_classes import SizeClass, profiles_by_size
from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.x_ray_lines import LineFamily, line_family
from drivers.errors import ConfigError

Region = tuple[int, int, int, int]
"""First and last row, first and last column, the last ones left out."""
_SMOOTH_PX = 1.0
_OVERLAP = 0.97
_STANDS_OUT = 3.0
"""Particles are brighter than what is not by so many sigma of the smoothed counts."""
_POOR_MISFIT = 2.0
_SEEN_SIGMAS = 3.0
_RIM_NM = 1.0
_WINDOWS_STD = 0.005
"""Of a fraction: what other lines may have in the windows."""


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
    by_ranges: Composition | None
    """From counts in windows instead of a fit, where no other line lies in them."""
    profile: RadialProfile | None
    by_size: tuple[SizeClass, ...]
    """Profiles of all round particles, by size; where there is but one, its own is the one above."""
    split: Decomposed
    """Into components; empty where that was not asked for."""
    phases: Phases | None
    notes: tuple[str, ...]
    """What a person should know before believing the numbers."""
    impossible: tuple[str, ...] = ()
    """Lines that a free fit has far below zero: no spectrum has such, so that the fractions are no good."""

    @property
    def elements(self) -> list[str]:
        return [f.element for f in self.model.families[: len(self.factors.lines)]]


@one_blas_thread()
def analyse_map(
    image: SpectrumImage,
    lines: Sequence[str],
    given_k: Sequence[str] = (),
    *,
    basis: Basis = "atomic",
    rows_and_columns: Region | None = None,
    radial: bool = False,
    decompose: bool = False,
    number: int | None = None,
    follow: FollowedComponents | None = None,
    cluster: Workflow | None = None,
    cluster_number: int | None = None,
) -> MapResult:
    """Quantify a spectrum image.

    Parameters
    ----------
    lines : main lines such as ``Ag_La``, one per element
    given_k : factors, see `k_factors`
    rows_and_columns : pixels to quantify; by default those that are bright in the lines, and 1 nm around them
    decompose : also split the map into components; `number` of them, by default as many as the scree shows
    follow : instead, the non-negative components of fewer frames of the same map
    cluster : also group pixels into phases; `cluster_number` of them, by default as many as differ

    Raises
    ------
    ConfigError
        For lines or factors that make no sense together or with this map, and where no line has counts.
    """
    asked = _families(image, lines)
    factors = k_factors(asked, given_k, basis)
    total = image.total
    if not total.any():
        raise ConfigError(image.title or "map", ["no counts at all; was the beam on, and the detector in?"])
    known = calibrated(image.axis, total, asked, image.beam_kev)
    axis = known.axis
    far = abs(axis.channel_kev / image.axis.channel_kev - 1.0) > FARTHEST_GAIN
    image = replace(image, axis=axis)
    model = with_other_lines(axis, total, asked, image.beam_kev)
    _check_overlap(model, total, asked)
    mask, whole_field = _region(image, asked, rows_and_columns)
    within = None if rows_and_columns is None else mask
    region = mask if within is not None else _with_rim(mask, image.pixel_nm)
    spectrum = image.spectrum_of(region)
    free = fit_sums(model, spectrum[None], total)
    by_positions = open_by_positions(free, model, known, spectrum, total)
    std = np.sqrt(np.diagonal(free.covariance[0] + by_positions))
    held, impossible = none_negative(free, std, model, spectrum, total)
    found = composition(held, factors, by_positions)
    fit = replace(held, covariance=held.covariance + by_positions)
    if np.isnan(found.fractions).any():
        words = (
            f"no counts in {', '.join(lines)} above the background; are these the right lines, and is it calibrated?"
        )
        raise ConfigError(image.title, [words])
    notes = [
        *image.notes,
        *_negative_notes(impossible, free.counts[0], std, factors),
        *_notes(fit, found, factors, model),
    ]
    plain = None if follow else counts_in_ranges(model, spectrum[None], fit, len(asked))
    by_ranges = None if plain is None else composition(plain, factors)
    if by_ranges is not None:
        # The fit is of the same photons, so that the two differ by less than either's error.
        variance = by_ranges.noise_std**2 - found.noise_std**2
        std = np.sqrt(np.maximum(variance, 0.0) + _WINDOWS_STD**2)
        differ = float((np.abs(by_ranges.fractions - found.fractions) / std).max())
        if differ > _SEEN_SIGMAS:
            notes.append(f"windows beside the lines tell another composition, by {differ:.1f} sigma")
    if far:
        notes.insert(0, "the energy axis is farther off than its peaks may correct: calibrate it")
    if whole_field:
        notes.insert(0, "no particles stand out in these lines: the whole field was quantified")
    profile = radial_profile(image, mask, model, factors, within, shell=follow is None) if radial else None
    if radial and profile is None:
        notes.append("no radial profile: fewer than two rings have a line above the quantification limit")
    by_size: tuple[SizeClass, ...] = ()
    if radial and within is None and not (whole_field or follow):
        by_size = profiles_by_size(image, mask, model, factors)
    split = decomposed(image, mask, model, factors, number) if decompose else Decomposed()
    if follow is not None:
        split = Decomposed(non_negative=follow.follow(image, mask, model, factors))
    phases = None if cluster is None else find_phases(image, model, factors, cluster, cluster_number, within)
    return MapResult(
        image,
        model,
        factors,
        region,
        fit,
        found,
        by_ranges,
        profile,
        by_size,
        split,
        phases,
        tuple(notes),
        impossible,
    )


def _families(image: SpectrumImage, lines: Sequence[str]) -> list[LineFamily]:
    asked, problems = families_asked(lines, image.beam_kev)
    low_kev, high_kev = image.axis.energies_kev[[0, -1]]
    for family in asked:
        if not max(low_kev, 0.1) < family.main_kev < high_kev:
            span = f"{max(low_kev, 0.0):.1f} to {high_kev:.1f} keV"
            problems.append(f"line {family.name}: lies at {family.main_kev:.2f} keV, the spectra go from {span}")
    if problems:
        raise ConfigError(image.title or "lines", problems)
    return asked


def families_asked(lines: Sequence[str], beam_kev: float) -> tuple[list[LineFamily], list[str]]:
    """The families of main lines, and what is wrong with asking for these, in words."""
    problems: list[str] = []
    asked: list[LineFamily] = []
    for name in lines:
        try:
            family = line_family(name, beam_kev)
        except ValueError as error:
            problems.append(str(error))
            continue
        if family.element in (f.element for f in asked):
            problems.append(f"line {name}: {family.element} is there twice; give one line of each element")
        asked.append(family)
    if len(asked) < 2 and not problems:
        problems.append("give at least two lines: a composition is of one element against others")
    return asked, problems


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


def _region(image: SpectrumImage, asked: Sequence[LineFamily], region: Region | None) -> tuple[NDArray[np.bool_], bool]:
    """Pixels (y, x) to quantify, and whether they are all for want of particles that stand out."""
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
        return mask, False
    bright = gaussian_filter(image.lines_map(asked), _SMOOTH_PX)
    if np.ptp(bright) <= 0.0:
        return np.ones(shape, np.bool_), True
    mask = np.asarray(bright > float(otsu(bright)), np.bool_)
    # Smoothing by s leaves 1 / (4 pi s^2) of a Poisson variance; a threshold splits that alone by 1.6 sigma.
    noise = float(np.sqrt(bright.mean() / (4.0 * np.pi * _SMOOTH_PX**2)))
    if bright[mask].mean() - bright[~mask].mean() < _STANDS_OUT * noise:
        return np.ones(shape, np.bool_), True
    return mask, False


def _with_rim(mask: NDArray[np.bool_], pixel_nm: float) -> NDArray[np.bool_]:
    """A threshold cuts off a round particle's thin rim, which may well be of another composition."""
    from scipy.ndimage import distance_transform_edt

    return mask | (pixel_nm * distance_transform_edt(~mask) <= _RIM_NM)


def _negative_notes(
    impossible: Sequence[str], counts: NDArray[np.float64], std: NDArray[np.float64], factors: KFactors
) -> list[str]:
    if not impossible:
        return []
    amounts = ", ".join(
        f"{name} {counts[n]:.0f} +- {std[n]:.0f} counts" for n, name in enumerate(factors.lines) if name in impossible
    )
    return [
        f"a free fit has {amounts or ', '.join(impossible)}, far below zero: other lines lie there than were fitted, "
        "or axis or background are wrong; held at zero, and the fractions of all elements are not to be relied on"
    ]


def _notes(fit: LineFit, found: Composition, factors: KFactors, model: LineModel) -> list[str]:
    notes = []
    for n, name in enumerate(factors.lines):
        counts, std = fit.counts[0, n], fit.std[0, n]
        if counts < _SEEN_SIGMAS * std:
            notes.append(f"{name}: no counts above the background ({counts:.0f} +- {std:.0f})")
    below = [
        name
        for n, name in enumerate(factors.lines)
        if not found.above_limit[0, n] and fit.counts[0, n] >= _SEEN_SIGMAS * fit.std[0, n]
    ]
    if below:
        notes.append(f"below the quantification limit of 10 sigma of peak and background: {', '.join(below)}")
    if factors.computed:
        notes.append(f"k computed, good to 5 % (K), 10 % (L), 25 % (M), for {', '.join(factors.computed)}")
    others = [f.name for f in model.families[len(factors.lines) :]]
    if others:
        notes.append(f"also seen and fitted: {', '.join(others)}")
    if fit.misfit[0] > _POOR_MISFIT:
        times = float(np.sqrt(fit.misfit[0]))
        notes.append(f"the lines and a smooth background miss the spectrum by {times:.1f} times the noise")
    return notes
