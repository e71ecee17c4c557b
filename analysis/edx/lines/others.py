"""Lines that nobody asked for: the grid, the pole piece, the support, and the other shells of the elements asked for.

They overlap with those asked for, or stand where background is looked for. Found in the sum of all spectra.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.lines.fit import bounded, floored, without_lines
from analysis.edx.lines.model import LineModel, channels_around, line_model
from analysis.edx.x_ray_lines import LineFamily, families_between

USUAL = frozenset(
    {"C", "N", "O", "F", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "K", "Ca", "Ti", "Cr", "Mn", "Fe", "Co", "Ni", "Cu"}
    | {"Zn", "Ga", "Ge", "Se", "Br", "Mo", "Pd", "Ag", "Cd", "In", "Sn", "Ta", "W", "Pt", "Au", "Pb"}
)
"""What is found in a microscope, its supports and its specimens."""
_SEEN = 36.0
"""Fall of chi^2 that makes a line seen: six sigma."""
_MOST = 12
_FLANK_FWHM = 1.0
_APART_FWHM = 0.7
"""Main lines nearer than this are not told apart here."""


def with_other_lines(
    axis: EnergyAxis, total: NDArray[np.float64], asked: Sequence[LineFamily], beam_kev: float
) -> LineModel:
    """The model for some lines, with all others that the sum of the spectra shows beside them."""
    model = line_model(axis, channels_around(axis, asked), asked)
    low_kev, high_kev = axis.energies_kev[model.channels][[0, -1]]
    # The flank of a line just beyond is no background either.
    low_kev, high_kev = (e + d * _FLANK_FWHM * axis.fwhm_kev(e) for e, d in ((low_kev, -1.0), (high_kev, 1.0)))
    elements = {*USUAL, *(f.element for f in asked)}
    candidates = families_between(low_kev, high_kev, beam_kev, elements)
    seen_by_main = [f for f in candidates if low_kev < f.main_kev < high_kev]
    # Where one shell of an element is, its others are, however near to a line asked for they lie.
    model = _with(model, asked, _other_shells(candidates, model.families))
    for _ in range(_MOST):
        best = _best(model, total, seen_by_main)
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
    fit, held = bounded(model, total)
    root = 1.0 / np.sqrt(floored(fit.fitted)[0])
    left = root * (total[model.channels] - fit.fitted[0])
    design = without_lines(model, held).design
    basis, _ = np.linalg.qr(root[:, None] * design[:, np.any(design, axis=0)])
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
