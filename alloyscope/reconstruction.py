"""Reconstructing a tilt series into a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alloyscope import inputs
from alloyscope.alignment import align
from alloyscope.card import card
from alloyscope.series_quality import series_quality, usable_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BRIGHTEST = 99.9
"""Percentile that is drawn white: a few hot voxels would leave the particle dark."""


@dataclass(frozen=True, eq=False)
class ReconstructedVolume:
    """A volume and how it came about, as `reconstruct` gives it."""

    volume: NDArray[np.float32]
    """(z, y, x), z along the beam at 0 deg, the tilt axis along x."""
    voxel_nm: float | None
    """Edge of a voxel; None where the pixel size was not given."""
    method: str
    iterations: int
    quality: str

    @property
    def value(self) -> NDArray[np.float32]:
        return self.volume

    @property
    def std(self) -> None:
        """Not told: MLEM and SIRT give no error of a voxel."""
        return

    @property
    def unit(self) -> str:
        return "image counts per voxel edge"

    def _repr_html_(self) -> str:
        facts: list[tuple[str, object]] = [
            ("voxels (z, y, x)", " x ".join(map(str, self.volume.shape))),
            ("voxel", "not calibrated" if self.voxel_nm is None else f"{self.voxel_nm:g} nm"),
            ("by", f"{self.method.upper()}, {self.iterations} iterations"),
        ]
        return card("reconstructed volume", facts, quality=self.quality)

    def plot(self) -> Figure:
        """The three orthoslices through the middle, on one grey scale."""
        from alloyscope.figure import grey, new_figure

        figure, axes = new_figure(3, width=9.0, height=3.3)
        z, y, x = (n // 2 for n in self.volume.shape)
        top = float(np.percentile(self.volume, _BRIGHTEST)) or None
        for place, image, title in (
            (axes[0], self.volume[z], "xy (along the beam)"),
            (axes[1], self.volume[:, y], "xz"),
            (axes[2], self.volume[:, :, x].T, "zy (along the tilt axis)"),
        ):
            grey(place, image, title, self.voxel_nm, vmin=0.0, vmax=top)
        return figure


def reconstruct(
    images: ArrayLike,
    tilts_deg: ArrayLike,
    *,
    method: Literal["mlem", "osem", "sirt"] = "mlem",
    iterations: int = 20,
    aligned: bool = False,
    pixel_nm: float | None = None,
) -> ReconstructedVolume:
    """Reconstruct a tilt series; the background is taken off, and the images are aligned unless they are already.

    Blank and saturated images are left out, and the quality says which.

    MLEM multiplies the volume by the back-projected ratio of data to model, ``v <- v A^T(d / A v) / A^T 1``: maximum
    likelihood for counts (Mychinko et al., Small 2021, Methods). OSEM does so by every second to fourth tilt in turn,
    with as good a volume after as many iterations in less time. SIRT adds the normalised residual.

    Parameters
    ----------
    images : (tilt, y, x) counts, bright object on dark
    tilts_deg : (tilt,) degrees, in any order
    aligned : True when the images lie on one tilt axis already, along x in the middle row
    pixel_nm : for the scale bar and ``voxel_nm``

    Returns
    -------
    ReconstructedVolume
        ``volume`` (z, y, x); its sum is the mean sum of a projection, with SIRT to a few per cent.

    Raises
    ------
    ValueError
        For images or angles that do not fit together, or a method that there is not.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> z, y, x = np.indices((32, 32, 32)) - 15.5
    >>> ball = (z**2 + y**2 + x**2 < 49).astype(float)
    >>> tilts = np.arange(-70, 71, 10)
    >>> found = al.reconstruct(al.project(ball, tilts), tilts, iterations=10, aligned=True, pixel_nm=0.5)
    >>> found.volume.shape, found.voxel_nm
    ((32, 32, 32), 0.5)
    >>> bool(abs(found.volume.sum() / ball.sum() - 1) < 0.02)
    True
    """
    from analysis.tomography.reconstruction import reconstruct as reconstructed
    from analysis.tomography.single import reconstruct_series

    given = inputs.images(images)
    angles = inputs.tilts(tilts_deg, len(given))
    inputs.one_of(method, "method", ("mlem", "osem", "sirt"))
    rounds = inputs.whole(iterations, "iterations", 1)
    voxel_nm = None if pixel_nm is None else inputs.above_zero(pixel_nm, "pixel_nm", "nm")
    if aligned:
        used, rejected = usable_images(given, angles)
        quality = series_quality(given, angles, used, rejected)
        used = used if used.any() else ~used
        volume = reconstruct_series(
            given[used], angles[used], method=method, iterations=rounds, aligned=True, axis_deg=0.0
        ).volume
    else:
        series = align(given, angles)
        quality, used = series.quality, series.used if series.used.any() else ~series.used
        volume = reconstructed(series.images[used], angles[used], iterations=rounds, method=method)
    return ReconstructedVolume(volume, voxel_nm, method, rounds, quality)


def project(volume: ArrayLike, tilts_deg: ArrayLike) -> NDArray[np.float32]:
    """Projections (tilt, y, x) of a volume (z, y, x): what a tilt series without noise would show.

    At tilt t the voxel at (z, y) from the middle lands on row ``y cos t + z sin t``; sums are conserved where the
    object stays inside the field.

    Parameters
    ----------
    volume : (z, y, x), the tilt axis along x
    tilts_deg : (tilt,) degrees

    Raises
    ------
    ValueError
        For a volume or angles that are not numbers.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> cube = np.zeros((20, 20, 20))
    >>> cube[6:14, 6:14, 6:14] = 1.0
    >>> images = al.project(cube, [-45, 0, 45])
    >>> images.shape, [round(float(i.sum())) for i in images]
    ((3, 20, 20), [512, 512, 512])
    """
    from analysis.tomography.projector import project as projected

    given = inputs.array(volume, "volume", "z, y, x")
    angles = inputs.array(tilts_deg, "tilts_deg", "tilt")
    return projected(np.asarray(given, np.float32), np.asarray(angles, np.float64))
