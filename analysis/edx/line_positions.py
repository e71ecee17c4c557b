"""What the places of lines leave open of their counts: much where lines are nearer than their places are known.

The axis is known as well as the spectrum's own peaks tell it, a line's energy as well as tables agree, and as the
atom's neighbours move it. Counts are fitted again with each of these one standard deviation off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.line_fit import LineFit, LineModel, fit_sums, line_model, with_line_moved

_LINE_STD_KEV = {"K": 0.0010, "L": 0.0015, "M": 0.0025}
"""Of a main line's energy: the spread of tables, and chemical shifts."""
_FAR_FWHM = 4.0
"""Families with no line nearer than this to one asked for cannot move its counts."""


@dataclass(frozen=True)
class CalibratedAxis:
    """An axis by the spectrum's own peaks, and axes one standard deviation off in each independent direction."""

    axis: EnergyAxis
    off: tuple[EnergyAxis, ...]


def open_by_positions(
    fit: LineFit, model: LineModel, calibrated: CalibratedAxis, spectrum: NDArray[np.float64], like: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Covariance (line, line) of the counts of one spectrum (channel) by what the places of lines leave open.

    Parameters
    ----------
    like : as of `fit_lines`
    """
    mains_kev = [f.main_kev for f in model.families]
    moved = [line_model(axis, model.channels, model.families) for axis in calibrated.off]
    moved += [
        with_line_moved(model, number, _LINE_STD_KEV[family.name[-2]])
        for number, family in enumerate(model.families)
        if _near(model.axis, [line.energy_kev for line in family.lines], mains_kev[:number] + mains_kev[number + 1 :])
    ]
    steps = np.stack([fit_sums(m, spectrum[None], like).counts[0] - fit.counts[0] for m in moved])
    return np.asarray(steps.T @ steps)


def _near(axis: EnergyAxis, lines_kev: Sequence[float], others_kev: Sequence[float]) -> bool:
    return any(abs(a - b) < _FAR_FWHM * axis.fwhm_kev(b) for a in lines_kev for b in others_kev)
