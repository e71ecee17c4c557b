"""A detector's energy axis by the peaks of a spectrum itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.lines.fit import bounded, fit_lines, floored
from analysis.edx.lines.model import line_model
from analysis.edx.lines.others import with_other_lines
from analysis.edx.x_ray_lines import LineFamily

AXIS_STD = np.array([0.02, 0.003, 0.1, 0.05])
"""How well is known before: offset in keV; relative, gain and width by the header, and the Fano factor."""
_FARTHEST = 4.0
"""How many of these are corrected."""
FARTHEST_GAIN = 0.95 * _FARTHEST * float(AXIS_STD[1])


def moved(axis: EnergyAxis, x: NDArray[np.float64], about_kev: float) -> EnergyAxis:
    """The axis with offset, gain, width and Fano factor so many standard deviations off.

    It is stretched about an energy at which it is known, so that offset and gain are told apart.
    """
    offset, gain, width, fano = x * AXIS_STD
    shift_kev = offset - gain * (about_kev - axis.offset_kev)
    return replace(
        axis,
        offset_kev=axis.offset_kev + float(shift_kev),
        channel_kev=axis.channel_kev * float(1.0 + gain),
        fwhm_mn_kev=axis.fwhm_mn_kev * float(np.exp(width)),
        fano_kev=axis.fano_kev * float(np.exp(fano)),
    )


def calibrated(
    axis: EnergyAxis, total: NDArray[np.float64], asked: Sequence[LineFamily], beam_kev: float
) -> EnergyAxis:
    """The axis with offset, gain and widths of lines by the spectrum's own peaks.

    A shift of 10 eV moves 2 % of a line out of its peak; headers are off by as much. A prior keeps what the peaks do
    not tell where the header has it.
    """
    from scipy.optimize import least_squares

    seen = with_other_lines(axis, total, asked, beam_kev)
    _, held = bounded(seen, total)
    there_are = [f for n, f in enumerate(seen.families) if n not in held]
    if not there_are:
        return axis
    model = line_model(axis, seen.channels, there_are, places=False)
    counts, about_kev = total[model.channels], asked[0].main_kev
    fit = fit_lines(model, total[None])
    root = np.sqrt(floored(fit.fitted)[0])
    target = np.concatenate([counts / root, np.zeros(len(model.departures))])

    def residuals(x: NDArray[np.float64]) -> NDArray[np.float64]:
        there = line_model(moved(axis, x, about_kev), model.channels, model.families, places=False)
        priors = np.zeros((len(model.departures), there.design.shape[1]))
        for row, d in enumerate(there.departures[: len(priors)]):
            priors[row, d.column] = 1.0 / (d.std * max(float(fit.counts[0, d.family]), 1.0))
        design = np.concatenate([there.design / root[:, None], priors])
        areas, *_ = np.linalg.lstsq(design, target, rcond=None)
        return np.concatenate([target - design @ areas, x])

    found = least_squares(
        residuals, np.zeros(4), bounds=(-_FARTHEST, _FARTHEST), diff_step=[0.02] * 4, xtol=1e-4, ftol=1e-6
    )
    return moved(axis, np.asarray(found.x), about_kev)
