"""Degree of alloying against time at temperature; before there is any, the contrast that images lost."""

from __future__ import annotations

from controller.monitor.panels.arrhenius import MARKS, STYLES
from controller.monitor.panels.drawn import entitle
from controller.monitor.panels.onset import onset_curves
from controller.monitor.panels.plot import Curve, Plot
from controller.monitor.state import WatchedSession


class AlloyingPlot(Plot):
    """Points with their errors on the fitted curves."""

    def draw(self, session: WatchedSession) -> None:
        if session.images and not session.fits:
            self.unit = "C"
            entitle(self, "contrast lost, image by image")
            self.show(list(onset_curves(session.images)))
            return
        curves = []
        if not session.fits:
            known = [(s.heated_s, s.alloying) for s in session.states.values() if s.alloying is not None]
            seconds, degrees = [t for t, _ in known], [a.value for _, a in known]
            std = [a.total for _, a in known]
            curves.append(Curve(seconds, degrees, "bold white", joined=False, std=std, name="measured"))
        for fit, style, mark in zip(session.fits.values(), STYLES, MARKS, strict=False):
            points, std = [e.value for e in fit.measured], [e.total for e in fit.measured]
            curves.append(Curve(fit.curve_s, fit.curve, style, name="fit" if len(session.fits) == 1 else ""))
            curves.append(Curve(fit.heated_s, points, style, joined=False, std=std, name=fit.particle, mark=mark))
        self.show(curves)
