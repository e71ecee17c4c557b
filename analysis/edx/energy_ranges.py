"""Line intensities the plain way, beside the fit: counts in a range at the line and in two beside it.

A line of known shape on a straight background has three unknowns, and so it needs three ranges: what of the line
itself lies in the outer two, as silver's L-beta beside its L-alpha, is not taken for background. Of other elements'
lines in the ranges, what the fit has is taken off, as gold's faint M2-N4 before silver's L-alpha; where that is more
than a little, nothing is told.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.lines.fit import LineFit
from analysis.edx.lines.model import LineModel
from analysis.edx.x_ray_lines import LineFamily

_HALF_FWHM = 1.0
"""Of the middle range."""
_FROM_FWHM, _TO_FWHM = 2.0, 4.0
"""The outer ranges."""
_SPOILT = 0.06
"""Of the line's own counts: what lines of others may have in its ranges."""


def counts_in_ranges(model: LineModel, spectra: NDArray[np.float64], fit: LineFit, lines: int) -> LineFit | None:
    """Intensities of the first so many families; nothing where another's lines lie in a range.

    Parameters
    ----------
    spectra : (spectrum, channel) of the whole axis
    fit : of the same spectra, which tells how strong the other lines are
    """
    each = [_one(model, spectra, fit, number) for number in range(lines)]
    told = np.array([one for one in each if one is not None])
    if len(told) < lines:
        return None
    counts, variance, under = told.transpose(1, 2, 0)
    covariance = np.stack([np.diag(v) for v in variance])
    return LineFit(counts, covariance, under, np.zeros((len(spectra), 1)), fit.misfit)


def _one(
    model: LineModel, spectra: NDArray[np.float64], fit: LineFit, number: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Counts of a main line, their variance and the background under it, by spectrum."""
    axis, family = model.axis, model.families[number]
    ranges = _ranges(axis, family)
    if ranges is None:
        return None
    away_kev = axis.energies_kev - family.main_kev
    own = axis.peaks(family.lines)
    columns = np.stack([own, np.ones_like(away_kev), away_kev], axis=1)
    inverse = np.linalg.inv(np.stack([columns[w].sum(axis=0) for w in ranges]))
    in_ranges = np.stack([spectra[:, w].sum(axis=1) for w in ranges])
    others = sum(
        np.maximum(fit.counts[:, n, None], 0.0) * axis.peaks(f.lines)
        for n, f in enumerate(model.families)
        if n != number
    )
    spoilt = np.array([np.sum(np.broadcast_to(others, spectra.shape)[:, w], axis=1) for w in ranges])
    if np.any(spoilt.sum(axis=0) > _SPOILT * np.abs(fit.counts[:, number])):
        return None
    solved = inverse @ (in_ranges - spoilt)
    variance = (inverse[0] ** 2) @ in_ranges
    middle = ranges[1]
    under = np.maximum(columns[middle, 1:].sum(axis=0) @ solved[1:], 0.0)
    return solved[0], variance, under


def _ranges(axis: EnergyAxis, family: LineFamily) -> Sequence[NDArray[np.intp]] | None:
    """Channels left of the line, at it and right of it; nothing where the axis does not hold them."""
    width_kev = axis.fwhm_kev(family.main_kev)
    away = (axis.energies_kev - family.main_kev) / width_kev
    ranges = (
        np.flatnonzero((away > -_TO_FWHM) & (away < -_FROM_FWHM)),
        np.flatnonzero(np.abs(away) <= _HALF_FWHM),
        np.flatnonzero((away > _FROM_FWHM) & (away < _TO_FWHM)),
    )
    whole = away[0] < -_TO_FWHM and away[-1] > _TO_FWHM
    return ranges if whole and all(len(w) for w in ranges) else None
