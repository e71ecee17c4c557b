"""D against 1/T: what every interval gave, and the common law in each window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from analysis.results import Arrhenius, DiffusivityResult
from controller.monitor.panels.plot import Curve, Plot
from controller.monitor.state import WatchedSession
from drivers.units import GAS_CONSTANT_J_PER_MOL_K, kelvin

STYLES = ("cyan", "magenta", "green", "yellow")
MARKS = "●◆▲■"
"""Of the particles, in order: of lines and of points."""


class ArrheniusPlot(Plot):
    """The sheet behind the alloying curve."""

    _titles = ("log10 of D in m2/s, interval by interval", "log10 of D in m2/s")

    def draw(self, session: WatchedSession) -> None:
        self.show(list(arrhenius_curves(list(session.fits.values()), session.law)))


def arrhenius_curves(fits: Sequence[DiffusivityResult], law: Arrhenius | None) -> Iterator[Curve]:
    """Points of each particle with their errors, and the law's line at its window's true temperatures.

    x is 1000 / T with the nominal temperature, y the decimal logarithm of D in m2/s.
    """
    for fit, style, mark in zip(fits, STYLES, MARKS, strict=False):
        told = sorted(
            (i for i in fit.by_interval if i.value > 0.0 and np.isfinite(i.std)), key=lambda i: -i.temperature_c
        )
        if not told:
            continue
        x = [1000.0 / kelvin(i.temperature_c) for i in told]
        if law is not None:
            offset = law.offsets_c.get(fit.window)
            true_k = np.array([kelvin(i.temperature_c) for i in told]) + (0.0 if offset is None else offset.value)
            ln_d = np.log(law.d0_m2_per_s.value) - law.q_j_per_mol.value / (GAS_CONSTANT_J_PER_MOL_K * true_k)
            yield Curve(x, [float(v) for v in ln_d / np.log(10.0)], style)
        yield Curve(
            x,
            [float(np.log10(i.value)) for i in told],
            style,
            joined=False,
            std=[i.std / (i.value * float(np.log(10.0))) for i in told],
            name=fit.particle,
            mark=mark,
        )
