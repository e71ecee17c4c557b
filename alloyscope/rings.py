"""Composition of a particle in rings from its centre outwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alloyscope.card import card
from alloyscope.quantity import Quantity, told
from alloyscope.spectra import KBasis, Region, analysed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.edx.radial_profile import RadialProfile
    from analysis.edx.spectrum_image import SpectrumImage

_NO_PROFILE = "no radial profile"


@dataclass(frozen=True, eq=False)
class CompositionRings:
    """Rings from the centre outwards as projected, as `radial_profile` gives them; empty where none could be told."""

    elements: tuple[str, ...]
    radius_nm: NDArray[np.float64]
    """(ring,) middle of each ring."""
    fractions: NDArray[np.float64]
    """(ring, element) atomic fractions, each ring's summing to 1."""
    std: NDArray[np.float64]
    """(ring, element) of counting; the k-factors' error is common to all rings."""
    core: dict[str, Quantity]
    """By element: within half the radius, as projected."""
    surface: dict[str, Quantity]
    """By element: in the outermost nm."""
    shell_nm: Quantity
    """Thickness of an even shell around an even core; None where no difference between them is seen."""
    statement: str
    """Which elements the surface has more or less of."""
    quality: str
    simulated: bool

    @property
    def value(self) -> NDArray[np.float64]:
        return self.fractions

    @property
    def unit(self) -> str:
        return "atomic fraction"

    def _repr_html_(self) -> str:
        rows = [(f"core, {element}", str(q)) for element, q in self.core.items()]
        rows += [(f"surface, {element}", str(q)) for element, q in self.surface.items()]
        return card("radial profile", [*rows, ("", self.statement)], quality=self.quality, simulated=self.simulated)

    def plot(self) -> Figure:
        """Atomic fraction of every element against the distance from the centre."""
        from alloyscope.figure import new_figure

        figure, (axes,) = new_figure()
        for place, element in enumerate(self.elements):
            axes.errorbar(
                self.radius_nm, self.fractions[:, place], self.std[:, place], fmt="o-", capsize=3, label=element
            )
        axes.set(xlabel="distance from the centre (nm)", ylabel="atomic fraction, as projected")
        axes.legend(frameon=False)
        return figure


def radial_profile(
    spectrum_image_or_path: SpectrumImage | str | PathLike[str],
    lines: Sequence[str],
    k: Sequence[str] = (),
    *,
    k_basis: KBasis = "atomic",
    region: Region | None = None,
) -> CompositionRings:
    """Composition of the largest particle in a map, in rings from its centre outwards (Moreira et al., Small 2024).

    Parameters
    ----------
    spectrum_image_or_path, lines, k, k_basis, region : as for `quantify_edx`

    Raises
    ------
    ValueError
        As `quantify_edx`. Where fewer than two rings can be quantified the rings are empty, and the quality says so.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> y, x = np.indices((24, 24)) - 11.5
    >>> thick = np.sqrt(np.maximum(64.0 - y**2 - x**2, 0.0))[..., None]
    >>> kev = 0.02 * np.arange(512)
    >>> shape = 2.0 * np.exp(-0.5 * ((kev - 2.984) / 0.045) ** 2) + np.exp(-0.5 * ((kev - 2.123) / 0.04) ** 2)
    >>> counts = np.random.default_rng(0).poisson(0.5 * thick * shape)
    >>> map_ = al.spectrum_image(counts, pixel_nm=0.5, channel_ev=20, beam_kev=200, simulated=True)
    >>> found = al.radial_profile(map_, ["Ag_La", "Au_Ma"])
    >>> bool(np.allclose(found.fractions.sum(axis=1), 1.0)), len(found.radius_nm) > 4
    (True, True)
    """
    image, found, quality = analysed(spectrum_image_or_path, lines, k, k_basis, region, radial=True)
    names = [lines] if isinstance(lines, str) else list(lines)
    if found is None or found.profile is None:
        why = quality if found is None else f"poor: {next((n for n in found.notes if _NO_PROFILE in n), _NO_PROFILE)}"
        return _empty(tuple(n.partition("_")[0] for n in names), why, image.simulated)
    return _of(found.profile, tuple(found.elements), quality, image.simulated)


def _of(profile: RadialProfile, elements: tuple[str, ...], quality: str, simulated: bool) -> CompositionRings:
    def by_element(values: NDArray[np.float64], std: NDArray[np.float64]) -> dict[str, Quantity]:
        each = zip(elements, values, std, strict=True)
        return {e: told(100.0 * float(v), 100.0 * float(s), "at%", quality) for e, v, s in each}

    statement = profile.in_words(elements)
    shell = profile.shell_nm
    return CompositionRings(
        elements=elements,
        radius_nm=profile.radius_nm,
        fractions=profile.rings.fractions,
        std=profile.rings.noise_std,
        core=by_element(profile.core, profile.core_std),
        surface=by_element(profile.surface, profile.surface_std),
        shell_nm=Quantity(None, None, "nm", f"poor: {statement}")
        if shell is None
        else told(shell.value, shell.std, "nm", quality),
        statement=statement,
        quality=quality,
        simulated=simulated,
    )


def _empty(elements: tuple[str, ...], why: str, simulated: bool) -> CompositionRings:
    nothing = np.zeros((0, len(elements)))
    none = {element: Quantity(None, None, "at%", why) for element in elements}
    return CompositionRings(
        elements, np.zeros(0), nothing, nothing, none, dict(none), Quantity(None, None, "nm", why), why, why, simulated
    )
