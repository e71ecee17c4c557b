"""Strengths and places of a map's lines, learned from its own spectrum with what tables know of them before.

They are of the specimen and the detector, and so the same in every pixel: learned once, from the sum of all spectra,
and then no longer free in any. What stays open of them is common to all spectra, a systematic error. For the sum itself
it adds to the error of counting exactly what a fit with all of it free would have.

Least squares by Gauss and Newton, linear in areas and background; the unknowns are those of `priors.left_open`, and
the axis' offset, gain and widths. No amount is negative: a line that would be holds others in wrong places.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.edx.lines.axis_by_peaks import AXIS_STD, moved
from analysis.edx.lines.fit import beyond_noise, bounded, floored
from analysis.edx.lines.model import LineModel, OpenShapes, background, departing
from analysis.edx.lines.priors import Open, covariance, left_open, with_values

_ROUNDS, _CALM = 8, 0.02
"""Calm is a step, in standard deviations of what was known before."""
_LONGEST_STEP, _FARTHEST = 1.0, 4.0
"""In the same."""
_WIDER = 0.01


def learned(model: LineModel, spectrum: NDArray[np.float64]) -> LineModel:
    """The model with its lines as one spectrum (channel) of the whole axis has them; none of it is free any more.

    Parameters
    ----------
    model : as it comes from tables, its axis calibrated
    """
    opened = left_open(model.families)
    std = np.array([*(one.std for one in opened), *AXIS_STD])
    before = np.diag(std**2)
    before[: len(opened), : len(opened)] = covariance(model.families, opened)
    held_by = np.linalg.inv(before)
    values = np.zeros(len(std))
    now = _at(model, opened, values)
    for _ in range(_ROUNDS):
        step = _step(now, opened, spectrum, values, held_by)[0]
        step = std * np.clip(step / std, -_LONGEST_STEP, _LONGEST_STEP)
        values = np.clip(values + step, -_FARTHEST * std, _FARTHEST * std)
        now = _at(model, opened, values)
        if np.abs(step / std).max() < _CALM:
            break
    _, left, response = _step(now, opened, spectrum, values, held_by)
    return replace(now, shapes=OpenShapes(response, left))


def _at(model: LineModel, opened: tuple[Open, ...], values: NDArray[np.float64]) -> LineModel:
    """The model with so much of what was open, as columns for lines and background alone."""
    families = with_values(model.families, opened, values[: len(opened)].tolist())
    axis = moved(model.axis, values[len(opened) :] / AXIS_STD, model.families[0].main_kev)
    columns = [axis.peaks(family.lines)[model.channels] for family in families]
    design = np.stack([*columns, *background(axis, model.channels)], axis=1)
    return LineModel(axis, tuple(families), model.channels, design, ())


def _step(
    now: LineModel,
    opened: tuple[Open, ...],
    spectrum: NDArray[np.float64],
    values: NDArray[np.float64],
    held_by: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """How far to go in each unknown, their covariance, and the response of lines to them.

    Parameters
    ----------
    values : how far the unknowns are off already
    held_by : the inverse of their covariance before the spectrum was seen
    """
    counts = spectrum[now.channels]
    fit, held = bounded(now, spectrum)
    weights = 1.0 / floored(fit.fitted)[0]
    gained = _gained(now, opened)
    there_are = np.delete(now.design, held, axis=1)
    linear = there_are.shape[1]
    design = np.concatenate([there_are, np.einsum("f,fuc->cu", fit.counts[0], gained)], axis=1)
    normal = design.T @ (weights[:, None] * design)
    right = design.T @ (weights * counts)
    normal[linear:, linear:] += held_by
    right[linear:] -= held_by @ values
    inverse = _inverse(normal)
    # Sensitivity of areas alone to what the spectrum gains.
    of_areas = _inverse(now.design.T @ (weights[:, None] * now.design)) @ (weights[:, None] * now.design).T
    response = np.einsum("ic,fuc->ifu", of_areas[: len(now.families)], gained)
    return (
        np.asarray((inverse @ right)[linear:], np.float64),
        np.asarray(inverse[linear:, linear:] * beyond_noise(fit.misfit, now)[0], np.float64),
        np.asarray(response, np.float64),
    )


def _gained(now: LineModel, opened: tuple[Open, ...]) -> NDArray[np.float64]:
    """(family, unknown, channel): what a family of area 1 gains by one unit of each unknown."""
    gained = np.zeros((len(now.families), len(opened) + len(AXIS_STD), now.design.shape[0]))
    for number, one in enumerate(opened):
        gained[one.family, number] = departing(now.axis, now.families, one)[now.channels]
    wide = replace(now.axis, fwhm_mn_kev=now.axis.fwhm_mn_kev * float(np.exp(_WIDER)))
    steep = replace(now.axis, fano_kev=now.axis.fano_kev * float(np.exp(_WIDER)))
    about_kev = now.families[0].main_kev
    for number, family in enumerate(now.families):
        stretched = [replace(line, strength=line.strength * (line.energy_kev - about_kev)) for line in family.lines]
        # An axis that begins higher, or is longer, has the lines in lower channels.
        of_axis = (
            -now.axis.slopes(family.lines),
            -now.axis.slopes(stretched),
            *((other.peaks(family.lines) - now.axis.peaks(family.lines)) / _WIDER for other in (wide, steep)),
        )
        for unknown, column in enumerate(of_axis, len(opened)):
            gained[number, unknown] = column[now.channels]
    return gained


def _inverse(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a matrix of normal equations, whose columns may be of very different sizes."""
    scale = np.sqrt(np.maximum(np.diagonal(normal), 1e-300))
    even = normal / np.outer(scale, scale) + 1e-9 * np.eye(len(normal))
    return np.asarray(np.linalg.inv(even) / np.outer(scale, scale), np.float64)
