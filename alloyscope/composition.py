"""The composition of an EDX map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alloyscope.card import card
from alloyscope.quantity import Quantity, told
from alloyscope.spectra import KBasis, Region, analysed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.edx.map_analysis import MapResult
    from analysis.edx.spectrum_image import SpectrumImage


@dataclass(frozen=True, eq=False)
class MapComposition:
    """Composition by element, as `quantify_edx` gives it."""

    at_pct: dict[str, Quantity]
    """By element; value None where the map has no counts in the lines."""
    facts: tuple[str, ...]
    """What the map told, one fact each: counts, composition by weight, notes."""
    quality: str
    simulated: bool
    spectrum: NDArray[np.float64]
    """(channel,) counts of all pixels."""
    energies_kev: NDArray[np.float64]
    lines_kev: dict[str, float]
    """Energy of every line asked for."""
    result: MapResult | None = field(default=None, repr=False)
    """Everything that the analysis found."""

    @property
    def value(self) -> NDArray[np.float64]:
        """(element,) at%; not a number where it could not be told."""
        return np.array([np.nan if q.value is None else q.value for q in self.at_pct.values()])

    @property
    def std(self) -> NDArray[np.float64]:
        """(element,) at%, of counting, k-factors and the shapes of lines together."""
        return np.array([np.nan if q.std is None else q.std for q in self.at_pct.values()])

    @property
    def unit(self) -> str:
        return "at%"

    def _repr_html_(self) -> str:
        rows = [*((element, str(q)) for element, q in self.at_pct.items()), *(("", fact) for fact in self.facts)]
        return card("composition", rows, quality=self.quality, simulated=self.simulated)

    def plot(self) -> Figure:
        """The spectrum of all pixels with the lines asked for, and the composition."""
        from alloyscope.figure import new_figure

        figure, (spectrum, bars) = new_figure(2, width=9.0)
        spectrum.step(self.energies_kev, np.maximum(self.spectrum, 0.5), where="mid", linewidth=0.8, color="0.3")
        for place, (name, kev) in enumerate(self.lines_kev.items()):
            spectrum.axvline(kev, color=f"C{place}", alpha=0.6, label=name)
        spectrum.set(xlabel="energy (keV)", ylabel="counts", yscale="log")
        spectrum.legend(frameon=False)
        known = np.isfinite(self.value)
        names = [n for n, k in zip(self.at_pct, known, strict=True) if k]
        bars.bar(names, self.value[known], yerr=self.std[known], capsize=4, color="0.7")
        bars.set(ylabel="at%")
        return figure


def quantify_edx(
    spectrum_image_or_path: SpectrumImage | str | PathLike[str],
    lines: Sequence[str],
    k: Sequence[str] = (),
    *,
    k_basis: KBasis = "atomic",
    region: Region | None = None,
) -> MapComposition:
    """Composition of the particles in an EDX map, in at%, with the errors of counting and of the k-factors.

    Cliff and Lorimer: ``c_A / c_B = k_AB I_A / I_B`` (Moreira et al., Small 2024), the intensities I fitted with all
    other lines that are seen.

    Parameters
    ----------
    spectrum_image_or_path : counts (y, x, channel) from `spectrum_image`, or a .hspy, .emd, .bcf or recorded .h5 file
    lines : one main line per element, at least two, such as ``["Ag_La", "Au_Ma"]``
    k : such as ``["Ag_La/Au_Ma=1.44:0.01"]``, sigma after the colon; those not given are computed, and said to be
    k_basis : whether `k` is of atoms or of a maker's weights
    region : (first row, last row, first column, last column); by default the particles that stand out

    Raises
    ------
    ValueError
        For a file that cannot be read, and lines, factors or a region that make no sense with it. A map without
        counts gives values None instead.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> kev = 0.02 * np.arange(512)
    >>> shape = 2.0 * np.exp(-0.5 * ((kev - 2.984) / 0.045) ** 2) + np.exp(-0.5 * ((kev - 2.123) / 0.04) ** 2)
    >>> counts = np.random.default_rng(0).poisson(np.broadcast_to(shape + 0.02, (8, 8, 512)))
    >>> map_ = al.spectrum_image(counts, pixel_nm=0.5, channel_ev=20, beam_kev=200, simulated=True)
    >>> found = al.quantify_edx(map_, ["Ag_La", "Au_Ma"], ["Ag_La/Au_Ma=1.44:0.01"])
    >>> sorted(found.at_pct), round(sum(q.value for q in found.at_pct.values()))
    (['Ag', 'Au'], 100)
    """
    image, found, quality = analysed(spectrum_image_or_path, lines, k, k_basis, region, radial=False)
    names = [lines] if isinstance(lines, str) else list(lines)
    if found is None:
        at_pct = {n.partition("_")[0]: Quantity(None, None, "at%", quality) for n in names}
        return MapComposition(at_pct, (), quality, image.simulated, image.total, image.axis.energies_kev, {})
    from analysis.edx import map_report

    each = zip(found.elements, found.composition.fractions[0], found.composition.std[0], strict=True)
    return MapComposition(
        at_pct={element: told(100.0 * float(v), 100.0 * float(s), "at%", quality) for element, v, s in each},
        facts=tuple(map_report.findings(found)),
        quality=quality,
        simulated=image.simulated,
        spectrum=image.total,
        energies_kev=image.axis.energies_kev,
        lines_kev={f.name: f.main_kev for f in found.model.families[: len(names)]},
        result=found,
    )
