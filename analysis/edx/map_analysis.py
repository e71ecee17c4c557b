"""A spectrum image from counts to composition: region, lines, fractions; where asked for, profile and components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.blas_thread import one_blas_thread
from analysis.edx.absorption import Film, with_absorption
from analysis.edx.clustering import Workflow
from analysis.edx.composition import Composition, composition
from analysis.edx.energy_ranges import counts_in_ranges
from analysis.edx.k_factors import Basis, KFactors, k_factors
from analysis.edx.lines.axis_by_peaks import FARTHEST_GAIN, calibrated
from analysis.edx.lines.fit import LineFit, bounded, fit_lines, fit_sums
from analysis.edx.lines.learned import learned
from analysis.edx.lines.model import LineModel
from analysis.edx.lines.others import with_other_lines
from analysis.edx.map_components import Decomposed, FollowedComponents, decomposed
from analysis.edx.map_notes import absorption_notes, map_notes, negative_notes
from analysis.edx.map_region import Region, region_of, with_rim
from analysis.edx.phases import Phases, find_phases
from analysis.edx.radial_profile import RadialProfile, radial_profile
from analysis.edx.size_classes import SizeClass, profiles_by_size
from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.x_ray_lines import LineFamily, line_family
from drivers.errors import ConfigError

_OVERLAP = 0.97
_SEEN_SIGMAS = 3.0
_IMPOSSIBLE = 5.0
"""Noise makes no line so many sigma negative; a model without some line of the spectrum does."""
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
    film: Film | None = None,
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
    film : thickness, density and take-off angle by which absorption is corrected; by default it is not

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
    axis = calibrated(image.axis, total, asked, image.beam_kev)
    far = abs(axis.channel_kev / image.axis.channel_kev - 1.0) > FARTHEST_GAIN
    model = learned(with_other_lines(axis, total, asked, image.beam_kev), total)
    image = replace(image, axis=model.axis)
    _check_overlap(model, total, asked)
    mask, whole_field = region_of(image, asked, rows_and_columns)
    within = None if rows_and_columns is None else mask
    region = mask if within is not None else with_rim(mask, image.pixel_nm)
    spectrum = image.spectrum_of(region)
    free = fit_sums(model, spectrum[None], total)
    std = np.sqrt(np.diagonal(free.covariance[0] + model.shape_covariance(free.counts)[0]))
    far_below = free.counts[0] < -_IMPOSSIBLE * std
    impossible = tuple(f.name for f, below in zip(model.families, far_below, strict=True) if below)
    held, _ = bounded(model, spectrum, total)
    of_shapes = model.shape_covariance(held.counts)
    thickness_notes: list[str] = []
    if film is not None:
        factors, thickness_notes = with_absorption(factors, asked, held.counts[0, : len(asked)], film)
    found = composition(held, factors, of_shapes)
    fit = replace(held, covariance=held.covariance + of_shapes)
    if np.isnan(found.fractions).any():
        words = (
            f"no counts in {', '.join(lines)} above the background; are these the right lines, and is it calibrated?"
        )
        raise ConfigError(image.title, [words])
    notes = [
        *image.notes,
        *negative_notes(impossible, free.counts[0], std, factors),
        *map_notes(fit, found, factors, model),
        *thickness_notes,
    ]
    if film is None:
        notes += absorption_notes(fit, factors, model, None if whole_field or within is not None else mask, image)
    plain = None if follow else counts_in_ranges(model, spectrum[None], fit, len(asked))
    by_ranges = None if plain is None else composition(plain, factors, of_shapes)
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
