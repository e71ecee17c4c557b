"""Spectrum images as EDX takes them: from an array, or from a file."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from alloyscope import inputs

if TYPE_CHECKING:
    from analysis.edx.map_analysis import MapResult
    from analysis.edx.spectrum_image import SpectrumImage

KBasis = Literal["atomic", "weight"]
Region = tuple[int, int, int, int]
"""First and last row, first and last column, the last ones left out."""


def spectrum_image(
    counts: ArrayLike,
    *,
    pixel_nm: float,
    channel_ev: float,
    beam_kev: float,
    offset_ev: float = 0.0,
    fwhm_mn_ev: float = 130.0,
    title: str = "map",
    simulated: bool = False,
) -> SpectrumImage:
    """A spectrum image from an array of counts.

    Parameters
    ----------
    counts : (y, x, channel) whole numbers of photons, none below 0
    pixel_nm : pixel size
    channel_ev, offset_ev : channel n counts the energies around ``offset + n channel``
    beam_kev : energy of the beam's electrons
    fwhm_mn_ev : full width at half maximum of a line at Mn K-alpha

    Raises
    ------
    ValueError
        For counts that are none, or a calibration that is not above 0.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> counts = np.random.default_rng(0).poisson(0.2, (16, 16, 512))
    >>> al.spectrum_image(counts, pixel_nm=0.5, channel_ev=20, beam_kev=200).axis.channels
    512
    """
    from analysis.edx.energy_axis import EnergyAxis
    from analysis.edx.spectrum_image import SpectrumImage

    given = inputs.array(counts, "counts", "y, x, channel")
    axis = EnergyAxis(
        offset_kev=1e-3 * inputs.number(offset_ev, "offset_ev", "eV"),
        channel_kev=1e-3 * inputs.above_zero(channel_ev, "channel_ev", "eV"),
        channels=given.shape[2],
        fwhm_mn_kev=1e-3 * inputs.above_zero(fwhm_mn_ev, "fwhm_mn_ev", "eV"),
    )
    nm, kev = inputs.above_zero(pixel_nm, "pixel_nm", "nm"), inputs.above_zero(beam_kev, "beam_kev", "keV")
    with inputs.told_as_value_error("counts"):
        return SpectrumImage(given, axis, nm, kev, title=title, simulated=simulated)


def analysed(
    source: Any, lines: Sequence[str], k: Sequence[str], k_basis: str, region: Any, *, radial: bool
) -> tuple[SpectrumImage, MapResult | None, str]:
    """A map, what the analysis makes of it, and its quality; no result where the map has no counts in the lines.

    Raises
    ------
    ValueError
        For a file that cannot be read, and lines, factors or a region that make no sense with it.
    """
    from analysis.edx.map_analysis import analyse_map
    from drivers.errors import ConfigError

    image = _spectrum_image_of(source)
    asked = inputs.words(lines, "lines", "'Ag_La'")
    factors = inputs.words(k, "k", "'Ag_La/Au_Ma=1.44:0.01'")
    basis: Any = inputs.one_of(k_basis, "k_basis", ("atomic", "weight"))
    rows_and_columns = _region(region, image.counts.shape[:2])
    try:
        found = analyse_map(image, asked, factors, basis=basis, rows_and_columns=rows_and_columns, radial=radial)
    except ConfigError as error:
        if all(problem.startswith("no counts") for problem in error.problems):
            return image, None, "poor: " + "; ".join(error.problems)
        name = "k" if "k-factors" in str(error).splitlines()[0] else "lines"
        raise ValueError(f"{name}: {'; '.join(error.problems)}") from error
    problems = list(image.notes)
    if found.impossible:
        problems.append(f"lines far below zero, so that the model does not hold: {', '.join(found.impossible)}")
    if not found.composition.above_limit[0].all():
        problems.append("a line is below the quantification limit")
    return found.image, found, "good" if not problems else "poor: " + "; ".join(problems)


def _spectrum_image_of(source: Any) -> SpectrumImage:
    from analysis.edx.spectrum_image import SpectrumImage
    from analysis.files.spectrum_file import read_spectrum_image

    if isinstance(source, SpectrumImage):
        return source
    remedy = "make one of counts (y, x, channel) with al.spectrum_image"
    inputs.instance(source, (str, PathLike), "spectrum_image_or_path", "a spectrum image or a path", remedy)
    with inputs.told_as_value_error("spectrum_image_or_path"):
        return read_spectrum_image(Path(source))


def _region(region: Any, shape: tuple[int, ...]) -> Region | None:
    if region is None:
        return None
    given = np.asarray(inputs.array(region, "region", "row and column bounds"))
    inside = len(given) == 4 and given.dtype.kind in "ui"
    if inside:
        top, bottom, left, right = (int(n) for n in given)
        if 0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]:
            return top, bottom, left, right
    raise ValueError(
        f"region: asked for (first row, last row, first column, last column) within {shape[0]} x {shape[1]} pixels, "
        f"found {tuple(given.tolist())}; give four whole numbers, the last ones left out"
    )
