"""Which columns make up a spectrum: a peak for each line, and splines for bremsstrahlung and what else is broad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.lines.priors import Open, left_open
from analysis.edx.x_ray_lines import LineFamily

_AROUND_FWHM = 8.0
"""What is fitted on either side of the outermost main lines, so that there is background to see."""
_NOISE_KEV = 0.2
"""Below is the detector's own noise, a peak at zero that in some files is higher than any line."""
_KNOT_EVERY_KEV, _FEWEST_KNOTS = 1.6, 3
_IN_THE_CHANNELS = 1e-3
_MISSED = 0.003
"""Of a line's counts: what Gaussian peaks of tabulated lines miss, which are all down to 0.002 of a shell's."""


@dataclass(frozen=True)
class Departure:
    """A column by which a family departs from its table, for an area of the main line of 1."""

    column: int
    family: int
    std: float
    """Of the column's coefficient, over the area."""


@dataclass(frozen=True)
class OpenShapes:
    """What a spectrum that lines were learned from leaves open of their shapes, and what it does to counts."""

    response: NDArray[np.float64]
    """(line, family, unknown): change of a line's counts for one count of a family, per unit of an unknown."""
    covariance: NDArray[np.float64]
    """(unknown, unknown)"""

    def of(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance (spectrum, line, line) of counts (spectrum, line); it is common to all spectra of one map."""
        there = np.maximum(counts, 0.0)
        change = np.einsum("ifu,sf->siu", self.response, there)
        learned = np.einsum("siu,uv,sjv->sij", change, self.covariance, change, optimize=True)
        missed = np.eye(counts.shape[1]) * (_MISSED * there[:, :, None]) ** 2
        return np.asarray(learned + missed, np.float64)


@dataclass(frozen=True)
class LineModel:
    """Which columns make up a spectrum."""

    axis: EnergyAxis
    families: tuple[LineFamily, ...]
    """Those asked for first, then others that overlap or lie between."""
    channels: slice
    design: NDArray[np.float64]
    """(channel, column); the first columns are `families`, in their order, main lines of area 1."""
    departures: tuple[Departure, ...]
    """None once the lines were learned."""
    shapes: OpenShapes | None = None
    """None before."""

    def shape_covariance(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance (spectrum, line, line) of counts (spectrum, line) by what is open of the lines' shapes."""
        if self.shapes is None:
            return np.zeros((*counts.shape, counts.shape[1]))
        return self.shapes.of(counts)


def channels_around(axis: EnergyAxis, asked: Sequence[LineFamily]) -> slice:
    """The channels that lines need: their own, and background on either side."""
    widths = [_AROUND_FWHM * axis.fwhm_kev(f.main_kev) for f in asked]
    low_kev = min(f.main_kev - w for f, w in zip(asked, widths, strict=True))
    high_kev = max(f.main_kev + w for f, w in zip(asked, widths, strict=True))
    low_kev = max(low_kev, min(_NOISE_KEV, *(f.main_kev - axis.fwhm_kev(f.main_kev) for f in asked)))
    return slice(max(0, axis.channel_of(low_kev)), min(axis.channels, axis.channel_of(high_kev) + 1))


def line_model(
    axis: EnergyAxis,
    channels: slice,
    asked: Sequence[LineFamily],
    others: Sequence[LineFamily] = (),
    *,
    places: bool = True,
) -> LineModel:
    """Peaks of all families, what their tables leave open of them, and a background, in some channels.

    Parameters
    ----------
    places : whether it is also open where lines lie
    """
    families = (*asked, *others)
    columns = [axis.peaks(family.lines)[channels] for family in families]
    departures = []
    for one in left_open(families):
        if one.place and not places:
            continue
        column = departing(axis, families, one)[channels]
        if np.abs(column).sum() * one.std > _IN_THE_CHANNELS:
            departures.append(Departure(len(columns), one.family, one.std))
            columns.append(column)
    design = np.stack([*columns, *background(axis, channels)], axis=1)
    return LineModel(axis, families, channels, design, tuple(departures))


def departing(axis: EnergyAxis, families: Sequence[LineFamily], one: Open) -> NDArray[np.float64]:
    """Spectrum (channel) that a family of area 1 gains by one unit of what is open: of ln strength, or keV."""
    lines = [families[one.family].lines[n] for n in one.group]
    return axis.slopes(lines) if one.place else axis.peaks(lines)


def background(axis: EnergyAxis, channels: slice) -> list[NDArray[np.float64]]:
    """Cubic B-splines over some channels, about one every 1.6 keV."""
    from scipy.interpolate import BSpline

    energies_kev = axis.energies_kev[channels]
    low, high = float(energies_kev[0]), float(energies_kev[-1])
    spans = max(_FEWEST_KNOTS, round((high - low) / _KNOT_EVERY_KEV))
    knots = np.concatenate([[low] * 3, np.linspace(low, high, spans + 1), [high] * 3])
    matrix = BSpline.design_matrix(np.clip(energies_kev, low, high), knots, 3).toarray()
    return list(np.asarray(matrix, np.float64).T)
