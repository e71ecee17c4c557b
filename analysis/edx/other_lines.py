"""Lines that nobody asked for: the grid, the pole piece, the support, and the other shells of the elements asked for.

They overlap with those asked for, or stand where background is looked for. Found in the sum of all spectra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.line_fit import LineModel, channels_around, fit_lines, floored, line_model
from analysis.edx.line_positions import CalibratedAxis
from analysis.edx.x_ray_lines import LineFamily, families_between

USUAL = frozenset(
    {"C", "N", "O", "F", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "K", "Ca", "Ti", "Cr", "Mn", "Fe", "Co", "Ni", "Cu"}
    | {"Zn", "Ga", "Ge", "Se", "Br", "Mo", "Pd", "Ag", "Cd", "In", "Sn", "Ta", "W", "Pt", "Au", "Pb"}
)
"""What is found in a microscope, its supports and its specimens."""
_SEEN = 36.0
"""Fall of chi^2 that makes a line seen: six sigma."""
_MOST = 12
_APART_FWHM = 0.7
"""Main lines nearer than this are not told apart here."""
_OFFSET_STD_KEV, _GAIN_STD, _WIDTH_STD = 0.02, 0.003, 0.1
"""How well a header knows offset, gain and width of a line, the last two relative."""
_FARTHEST = 4.0
"""How many of these are corrected."""
FARTHEST_GAIN = 0.95 * _FARTHEST * _GAIN_STD


def with_other_lines(
    axis: EnergyAxis, total: NDArray[np.float64], asked: Sequence[LineFamily], beam_kev: float
) -> LineModel:
    """The model for some lines, with all others that the sum of the spectra shows beside them."""
    model = line_model(axis, channels_around(axis, asked), asked)
    low_kev, high_kev = axis.energies_kev[model.channels][[0, -1]]
    elements = {*USUAL, *(f.element for f in asked)}
    candidates = [f for f in families_between(low_kev, high_kev, beam_kev) if f.element in elements]
    # Where one shell of an element is, its others are, however near to a line asked for they lie.
    model = _with(model, asked, _other_shells(candidates, model.families))
    for _ in range(_MOST):
        best = _best(model, total, candidates)
        if best is None:
            break
        model = _with(model, asked, [best])
        hidden = [
            f for f in _other_shells(candidates, [best]) if f not in model.families and _is_near(model.axis, f, asked)
        ]
        model = _with(model, asked, hidden)
    return model


def _with(model: LineModel, asked: Sequence[LineFamily], more: Sequence[LineFamily]) -> LineModel:
    return line_model(model.axis, model.channels, asked, (*model.families[len(asked) :], *more)) if more else model


def _other_shells(candidates: Sequence[LineFamily], families: Sequence[LineFamily]) -> list[LineFamily]:
    elements, names = {f.element for f in families}, {f.name for f in families}
    return [f for f in candidates if f.element in elements and f.name not in names]


def _is_near(axis: EnergyAxis, family: LineFamily, others: Sequence[LineFamily]) -> bool:
    near_kev = _APART_FWHM * axis.fwhm_kev(family.main_kev)
    return any(abs(f.main_kev - family.main_kev) < near_kev for f in others)


def _best(model: LineModel, total: NDArray[np.float64], candidates: Sequence[LineFamily]) -> LineFamily | None:
    """The line whose peak explains most of what the model leaves, if that is enough."""
    fitted = fit_lines(model, total[None]).fitted
    root = 1.0 / np.sqrt(floored(fitted)[0])
    left = root * (total[model.channels] - fitted[0])
    basis, _ = np.linalg.qr(root[:, None] * model.design)
    gains = [(0.0, 0)]
    for number, family in enumerate(candidates):
        if _is_near(model.axis, family, model.families):
            continue
        peak = root * model.axis.peaks(family.lines)[model.channels]
        peak = peak - basis @ (basis.T @ peak)
        score, size = float(peak @ left), float(peak @ peak)
        if score > 0.0 and size > 1e-12:
            gains.append((score**2 / size, number))
    gain, number = max(gains)
    return candidates[number] if gain > _SEEN else None


def calibrated(
    axis: EnergyAxis, total: NDArray[np.float64], asked: Sequence[LineFamily], beam_kev: float
) -> CalibratedAxis:
    """The axis with offset, gain and width of a line by the spectrum's own peaks.

    A shift of 10 eV moves 2 % of a line out of its peak; headers are off by as much. A prior keeps what the peaks do
    not tell where the header has it.
    """
    from scipy.optimize import least_squares

    model = with_other_lines(axis, total, asked, beam_kev)
    counts, others = total[model.channels], model.families[len(asked) :]
    fit = fit_lines(model, total[None])
    root = np.sqrt(floored(fit.fitted)[0])
    target = np.concatenate([counts / root, np.zeros(len(model.departures))])

    def moved(x: NDArray[np.float64]) -> EnergyAxis:
        offset, gain, width = x * (_OFFSET_STD_KEV, _GAIN_STD, _WIDTH_STD)
        # Stretched about the first line, so that offset and gain are told apart.
        shift_kev = offset - gain * (asked[0].main_kev - axis.offset_kev)
        return replace(
            axis,
            offset_kev=axis.offset_kev + shift_kev,
            channel_kev=axis.channel_kev * (1.0 + gain),
            fwhm_mn_kev=axis.fwhm_mn_kev * float(np.exp(width)),
        )

    def residuals(x: NDArray[np.float64]) -> NDArray[np.float64]:
        there = line_model(moved(x), model.channels, asked, others)
        held = np.zeros((len(model.departures), there.design.shape[1]))
        for row, d in enumerate(there.departures[: len(held)]):
            held[row, d.column] = 1.0 / (d.std * max(float(fit.counts[0, d.family]), 1.0))
        design = np.concatenate([there.design / root[:, None], held])
        areas, *_ = np.linalg.lstsq(design, target, rcond=None)
        return np.concatenate([target - design @ areas, x])

    found = least_squares(
        residuals, np.zeros(3), bounds=(-_FARTHEST, _FARTHEST), diff_step=[0.02] * 3, xtol=1e-4, ftol=1e-6
    )
    x = np.asarray(found.x)
    slopes = np.asarray(found.jac, np.float64)
    variances, directions = np.linalg.eigh(np.linalg.inv(slopes.T @ slopes))
    # A model that misses the spectrum leaves more open than its noise does.
    std = np.sqrt(variances * max(1.0, float(fit.misfit[0])))
    return CalibratedAxis(moved(x), tuple(moved(x + s * d) for s, d in zip(std, directions.T, strict=True)))
