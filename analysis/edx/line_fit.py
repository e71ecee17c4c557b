"""Line intensities from spectra: overlapping peaks on a smooth background, weighted by the counts' own Poisson noise.

Every spectrum is a sum of columns: peaks of known shape, whose areas are asked for, and splines for bremsstrahlung and
what else is broad. Weighted least squares; areas may come out negative, so that weak lines are not biased upwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.x_ray_lines import Line, LineFamily

_AROUND_FWHM = 8.0
"""What is fitted on either side of the outermost main lines, so that there is background to see."""
_KNOT_EVERY_KEV, _FEWEST_KNOTS = 1.6, 3
_ROUNDS = 4
_FEW_COUNTS = 300.0
_DEPARTURE = {"L1": 0.2, "L2": 0.2, "M3": 1.0, "M4": 1.0}
"""Of the strength of a subshell's lines, one standard deviation: so far tables differ of L1 and L2 beside L3; of M4 and
M3 beside M5 by a factor of two."""
_OUTER, _OUTER_DEPARTURE = 1.02, 0.5
"""Lines of the main subshell from so many times the main line's energy: electrons of the outer shell, which is partly
filled in many metals, make them."""
_IMPOSSIBLE_SIGMAS = 5.0
_FAINTEST = 0.02
"""Of the mean expected counts per channel: the least that weights go by."""


@dataclass(frozen=True)
class Departure:
    """A column by which some of a family's lines depart from their usual strength."""

    column: int
    family: int
    lines: tuple[Line, ...]
    std: float
    """Relative."""


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


@dataclass(frozen=True)
class LineFit:
    """Areas of main lines in some spectra."""

    counts: NDArray[np.float64]
    """(spectrum, line)"""
    covariance: NDArray[np.float64]
    """(spectrum, line, line)"""
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


def channels_around(axis: EnergyAxis, asked: Sequence[LineFamily]) -> slice:
    """The channels that lines need: their own, and background on either side."""
    widths = [_AROUND_FWHM * axis.fwhm_kev(f.main_kev) for f in asked]
    low_kev = min(f.main_kev - w for f, w in zip(asked, widths, strict=True))
    high_kev = max(f.main_kev + w for f, w in zip(asked, widths, strict=True))
    return slice(max(0, axis.channel_of(low_kev)), min(axis.channels, axis.channel_of(high_kev) + 1))


def line_model(
    axis: EnergyAxis, channels: slice, asked: Sequence[LineFamily], others: Sequence[LineFamily] = ()
) -> LineModel:
    """Peaks of all families, and a background, in some channels."""
    families = (*asked, *others)
    columns = [axis.peaks(family.lines)[channels] for family in families]
    departures = []
    for number, family in enumerate(families):
        for lines, std in _uncertain(family):
            if axis.peaks(lines)[channels].sum() > 1e-3:
                departures.append(Departure(len(columns), number, lines, std))
                columns.append(_departing(axis, family, lines)[channels])
    design = np.stack([*columns, *_splines(axis.energies_kev[channels])], axis=1)
    return LineModel(axis, families, channels, design, tuple(departures))


def with_line_moved(model: LineModel, number: int, by_kev: float) -> LineModel:
    """The model with one family's lines elsewhere."""
    axis = replace(model.axis, offset_kev=model.axis.offset_kev - by_kev)
    design = model.design.copy()
    family = model.families[number]
    design[:, number] = axis.peaks(family.lines)[model.channels]
    for departure in model.departures:
        if departure.family == number:
            design[:, departure.column] = _departing(axis, family, departure.lines)[model.channels]
    return replace(model, design=design)


def _departing(axis: EnergyAxis, family: LineFamily, lines: tuple[Line, ...]) -> NDArray[np.float64]:
    """Spectrum by which some lines of a family are stronger.

    Those of M lie within one line's width, so that their sum is what is measured and what factors are for: it stays.
    """
    found = axis.peaks(lines)
    if family.name.endswith("_Ma"):
        part = sum(line.strength for line in lines) / sum(line.strength for line in family.lines)
        found -= part * axis.peaks(family.lines)
    return found


def _uncertain(family: LineFamily) -> Iterator[tuple[tuple[Line, ...], float]]:
    """Lines whose strength is not known well beside the main line's, and how well it is."""
    for subshell, std in _DEPARTURE.items():
        yield tuple(line for line in family.lines if line.subshell == subshell), std
    outer_kev = _OUTER * family.main_kev
    yield (
        tuple(line for line in family.lines if line.subshell == "L3" and line.energy_kev > outer_kev),
        _OUTER_DEPARTURE,
    )


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
    free = max(1, counts.shape[1] - model.design.shape[1])
    misfit = ((counts - fitted) ** 2 / variance).sum(axis=1) / free
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


def none_negative(
    fit: LineFit, std: NDArray[np.float64], model: LineModel, spectrum: NDArray[np.float64], like: NDArray[np.float64]
) -> tuple[LineFit, tuple[str, ...]]:
    """Of one spectrum (channel): the fit, with lines far below zero held there, and which these are.

    Noise makes no line so many sigma negative; a model without some line of the spectrum does.

    Parameters
    ----------
    std : (line) of the fit's counts, whatever they are uncertain by
    """
    held: list[int] = []
    found = fit
    while True:
        worst = int(np.argmin(found.counts[0] / std))
        if found.counts[0, worst] > -_IMPOSSIBLE_SIGMAS * std[worst]:
            break
        held.append(worst)
        design = model.design.copy()
        design[:, [*held, *(d.column for d in model.departures if d.family in held)]] = 0.0
        bounded = fit_sums(replace(model, design=design), spectrum[None], like)
        counts = bounded.counts.copy()
        counts[:, held] = 0.0
        # Errors stay those of the free fit: a line that is held may be there up to its own.
        found = replace(bounded, counts=counts, covariance=fit.covariance)
    return found, tuple(model.families[n].name for n in sorted(held))


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
    pairs = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    normal = (weights @ pairs).reshape(-1, design.shape[1], design.shape[1])
    for d in model.departures:
        normal[:, d.column, d.column] += (d.std * np.maximum(before[:, d.family], 1.0)) ** -2.0
    normal = normal / scale[:, :, None] / scale[:, None, :] + 1e-9 * np.eye(design.shape[1])
    inverse = np.linalg.inv(normal) / scale[:, :, None] / scale[:, None, :]
    return np.einsum("nij,nj->ni", inverse, (weights * counts) @ design), inverse


def floored(expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poisson variances (spectrum, channel) by expected counts."""
    mean = np.maximum(expected.mean(axis=1, keepdims=True), 1e-6)
    return np.asarray(np.maximum(expected, _FAINTEST * mean), np.float64)


def _splines(energies_kev: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Cubic B-splines over a range, about one every 1.6 keV."""
    from scipy.interpolate import BSpline

    low, high = float(energies_kev[0]), float(energies_kev[-1])
    spans = max(_FEWEST_KNOTS, round((high - low) / _KNOT_EVERY_KEV))
    knots = np.concatenate([[low] * 3, np.linspace(low, high, spans + 1), [high] * 3])
    matrix = BSpline.design_matrix(np.clip(energies_kev, low, high), knots, 3).toarray()
    return list(np.asarray(matrix, np.float64).T)


def _under(model: LineModel, areas: NDArray[np.float64]) -> NDArray[np.float64]:
    """All that is not a line itself, within its full width at half maximum."""
    energies_kev = model.axis.energies_kev[model.channels]
    found = []
    for number, family in enumerate(model.families):
        inside = np.abs(energies_kev - family.main_kev) <= 0.5 * model.axis.fwhm_kev(family.main_kev)
        others = np.delete(np.arange(model.design.shape[1]), number)
        found.append((areas[:, others] @ model.design[inside][:, others].T).sum(axis=1))
    return np.asarray(np.maximum(np.stack(found, axis=1), 0.0), np.float64)
