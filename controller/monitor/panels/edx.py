"""An EDX map on the screen: element maps, spectrum and radial profile, as its frames arrive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from analysis.results import EdxResult
from controller.monitor.panels.arrhenius import STYLES
from controller.monitor.panels.drawn import entitle
from controller.monitor.panels.picture import PicturePanel
from controller.monitor.panels.plot import Curve, Plot
from controller.monitor.state import WatchedSession

_MOST_MAPS = 3
_LOWEST_KEV, _BEYOND_KEV = 0.2, 1.0
"""Where the spectrum shown begins, and how far it goes beyond the highest line asked for."""


class ElementMaps(Horizontal):
    """The HAADF image, and the counts of the first lines asked for."""

    def compose(self) -> ComposeResult:
        yield PicturePanel("HAADF", id="map-0")
        for n in range(_MOST_MAPS):
            yield PicturePanel("counts", id=f"map-{n + 1}")

    def draw(self, session: WatchedSession) -> None:
        found = session.map
        for n in range(_MOST_MAPS + 1):
            self.query_one(f"#map-{n}").display = n < max(1, 0 if found is None else len(found.pictures))
        if found is None:
            self.query_one("#map-0", PicturePanel).show_none(session.lacks_map)
            return
        if not found.pictures:
            self.query_one("#map-0", PicturePanel).show_none(session.lacks)
        for n, (name, pixels) in enumerate(list(found.pictures.items())[: _MOST_MAPS + 1]):
            panel = self.query_one(f"#map-{n}", PicturePanel)
            entitle(panel, name)
            panel.show(np.frombuffer(pixels, np.uint8).reshape(found.picture_shape), f"{found.frames} frames")


class SpectrumAndProfile(Vertical):
    """Counts of all pixels against energy, and atomic fractions against the distance from the centre."""

    def compose(self) -> ComposeResult:
        yield Plot("spectrum", "keV", id="spectrum")
        yield Plot("profile", "nm from the centre", id="profile")

    def draw(self, session: WatchedSession) -> None:
        found = session.map
        spectrum, profile = self.query_one("#spectrum", Plot), self.query_one("#profile", Plot)
        spectrum.display = profile.display = found is not None
        self.set_class(found is None, "-none")
        if found is None:
            return
        energies_kev, counts, top = _seen(found)
        entitle(spectrum, f"spectrum, {sum(found.spectrum):.0f} counts")
        spectrum.show([Curve(energies_kev, counts, "white")], y_range=(0.0, top))
        curves = list(_rings(found))
        names = (f"[{style}]{e}[/]" for e, style in zip(found.composition_at_pct, STYLES, strict=False))
        entitle(profile, "at% in rings: " + ", ".join(names) if curves else "profile")
        values = [v for curve in curves for v in curve.y]
        profile.show(curves, y_range=(max(0.0, min(values) - 5.0), max(values) + 5.0) if values else None)


def _seen(found: EdxResult) -> tuple[list[float], list[float], float]:
    """The part of the spectrum with the lines, and the height of the tallest of them."""
    energies = found.offset_kev + found.channel_kev * np.arange(len(found.spectrum))
    lines = [float(v) for v in found.report.get("energies_kev", {}).values()] or [10.0]
    inside = (energies > _LOWEST_KEV) & (energies < max(lines) + _BEYOND_KEV)
    counts = np.asarray(found.spectrum)
    top = max(counts[np.abs(energies - line) < 2 * found.channel_kev].max(initial=1.0) for line in lines)
    return energies[inside].tolist(), counts[inside].tolist(), 1.3 * float(top)


def _rings(found: EdxResult) -> Iterator[Curve]:
    """Fractions of each element in at%, with one standard deviation."""
    profile = found.report.get("profile")
    if profile is None:
        return
    for (element, fractions), style in zip(profile["fractions"].items(), STYLES, strict=False):
        told = [
            (r, 100.0 * f, 100.0 * s)
            for r, f, s in zip(profile["radius_nm"], fractions, profile["std"][element], strict=True)
            if f is not None and s is not None
        ]
        if told:
            radius_nm, percent, std = zip(*told, strict=True)
            yield Curve(radius_nm, percent, style, joined=False, std=std)
