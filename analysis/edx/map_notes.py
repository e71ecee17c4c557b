"""What a person should know before believing the numbers of an EDX map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.edx.absorption import thickness_that_matters_nm
from analysis.edx.composition import Composition
from analysis.edx.k_factors import KFactors
from analysis.edx.lines.fit import LineFit
from analysis.edx.lines.model import LineModel
from analysis.edx.spectrum_image import SpectrumImage
from analysis.images.main_body import main_body

_POOR_MISFIT = 2.0
_SEEN_SIGMAS = 3.0
_RESOLVED_FWHM = 0.7
_THICKEST_NM = 300.0
"""Of a specimen that a microscope sees through."""


def negative_notes(
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


def map_notes(fit: LineFit, found: Composition, factors: KFactors, model: LineModel) -> list[str]:
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
    notes += _unresolved(fit, model, len(factors.lines))
    if fit.misfit[0] > _POOR_MISFIT:
        times = float(np.sqrt(fit.misfit[0]))
        words = f"the lines and a smooth background miss the spectrum by {times:.1f} times the noise"
        notes.append(f"{words}; errors by counting are {times:.1f} times as large for it")
    return notes


def _unresolved(fit: LineFit, model: LineModel, asked: int) -> Iterator[str]:
    """Of pairs of lines, one of them asked for, that lie nearer than a detector resolves."""
    for i in range(asked):
        for j in range(i + 1, len(model.families)):
            one, other = model.families[i], model.families[j]
            width_kev = model.axis.fwhm_kev(one.main_kev)
            apart_kev = abs(one.main_kev - other.main_kev)
            if apart_kev < _RESOLVED_FWHM * width_kev:
                alone = float(np.sqrt(max(fit.counts[0, i] + fit.background[0, i], 1.0)))
                yield (
                    f"{one.name} and {other.name} lie {1e3 * apart_kev:.0f} eV apart, {apart_kev / width_kev:.2f} of a "
                    f"line's width: not resolved, told apart by their shapes; the error of {one.name} is "
                    f"{max(1.0, fit.std[0, i] / alone):.1f} times that of counting for it"
                )


def absorption_notes(
    fit: LineFit, factors: KFactors, model: LineModel, particles: NDArray[np.bool_] | None, image: SpectrumImage
) -> list[str]:
    """That absorption is not corrected, where it matters in what is no thicker than it is wide, or thin at all.

    Parameters
    ----------
    particles : pixels (y, x); None where the specimen may be a film of any thickness
    """
    from_nm = thickness_that_matters_nm(factors, model.families, fit.counts[0, : len(factors.lines)])
    if particles is None:
        thick = from_nm < _THICKEST_NM
    else:
        body = main_body(particles)
        thick = from_nm < image.pixel_nm * float(np.sqrt(4.0 * body.sum() / np.pi))
    if not thick:
        return []
    return [
        f"absorption is not corrected: from about {from_nm:.2g} nm on (of 5 g/cm3, seen under 20 deg) it changes the "
        "composition by more than 1 at%; give --thickness-nm, --density and --take-off-deg"
    ]
