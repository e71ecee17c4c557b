"""Aligning a tilt series: which shifts bring its projections onto one tilt axis, and where that axis points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alloyscope import inputs
from alloyscope.card import card
from alloyscope.series_quality import series_quality, usable_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEWEST = 3
"""Usable images that can be aligned."""


@dataclass(frozen=True, eq=False)
class AlignedImages:
    """A tilt series on one tilt axis, as `align` gives it."""

    images: NDArray[np.float32]
    """(tilt, y, x) above the darkest level, the tilt axis along x in the middle row."""
    tilts_deg: NDArray[np.float64]
    shifts_px: NDArray[np.float64]
    """(tilt, 2) as (y, x): what was added, after turning, to bring each image's content into place."""
    axis_deg: float
    """Of the tilt axis from x, counter-clockwise on the screen; 0 where it could not be told. Taken out."""
    residual_px: float
    """Median size of the last correction."""
    agreement: NDArray[np.float64]
    """(tilt,) correlation of each image with the re-projection of all, 0 to 1."""
    used: NDArray[np.bool_]
    """(tilt,) False for an image that is blank or saturated: it was not moved."""
    quality: str

    @property
    def value(self) -> NDArray[np.float64]:
        """The shifts (tilt, 2)."""
        return self.shifts_px

    @property
    def std(self) -> float:
        """Of the shifts: what the last round still moved."""
        return self.residual_px

    @property
    def unit(self) -> str:
        return "px"

    def _repr_html_(self) -> str:
        tilts, rows, columns = self.images.shape
        facts = [
            ("images", f"{tilts} of {rows} x {columns} px, {self.tilts_deg.min():g} to {self.tilts_deg.max():g} deg"),
            ("tilt axis", f"{self.axis_deg:.2f} deg from x"),
            ("largest shift", f"{np.hypot(*self.shifts_px.T).max():.1f} px"),
            ("residual", f"{self.residual_px:.2f} px"),
        ]
        return card("aligned tilt series", facts, quality=self.quality)

    def plot(self) -> Figure:
        """Shifts and agreement against tilt."""
        from alloyscope.figure import new_figure

        figure, (shifts, agreement) = new_figure(2, width=8.0)
        order = np.argsort(self.tilts_deg)
        for place, axis in enumerate("yx"):
            shifts.plot(self.tilts_deg[order], self.shifts_px[order, place], "o-", markersize=3, label=axis)
        shifts.set(xlabel="tilt (deg)", ylabel="shift (px)")
        shifts.legend(frameon=False)
        agreement.plot(self.tilts_deg[order], self.agreement[order], "o-", markersize=3, color="0.3")
        agreement.set(xlabel="tilt (deg)", ylabel="agreement with all", ylim=(min(0.0, self.agreement.min()), 1.02))
        return figure


def align(images: ArrayLike, tilts_deg: ArrayLike) -> AlignedImages:
    """Align a tilt series: turn its tilt axis onto x, then shift every image into place.

    Cross-correlation of neighbouring tilts (Chen et al., Part. Part. Syst. Charact. 2023), then what projection
    conserves (centre of mass ``y cos t + z sin t``), then projection matching.

    Parameters
    ----------
    images : (tilt, y, x) counts, bright object on dark; at least 3 of 16 x 16 px
    tilts_deg : (tilt,) degrees, in any order

    Returns
    -------
    AlignedImages
        ``shifts_px`` (y, x) is what must be added to bring content into place. No image is left out; one that is blank
        or saturated is not moved, and not ``used``.

    Raises
    ------
    ValueError
        For images or angles that are not numbers, or not as many of one as of the other.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> y, x = np.indices((32, 32)) - 15.5
    >>> ball = np.maximum(36.0 - y**2 - x**2, 0.0) ** 0.5
    >>> images = np.stack([np.roll(ball, n % 3, axis=1) for n in range(9)])
    >>> found = al.align(images, np.linspace(-60, 60, 9))
    >>> found.images.shape
    (9, 32, 32)
    >>> np.round(found.shifts_px[1, 1] - found.shifts_px[0, 1])
    np.float64(-1.0)
    """
    from analysis.tomography.alignment import align as aligned_by
    from analysis.tomography.alignment import shifted
    from analysis.tomography.noise import darkest_level
    from analysis.tomography.tilt_axis import believed_axis, turned

    given = inputs.images(images)
    angles = inputs.tilts(tilts_deg, len(given))
    stack = given.astype(np.float32)
    stack -= np.float32(darkest_level(stack))
    used, rejected = usable_images(given, angles)
    shifts_px, agreement, axis_deg, residual_px = np.zeros((len(given), 2)), np.zeros(len(given)), 0.0, 0.0
    found = None
    if used.sum() >= _FEWEST:
        axis_deg = believed_axis(stack[used], angles[used])
        stack = turned(stack, axis_deg)
        found = aligned_by(stack[used], angles[used])
        shifts_px[used], agreement[used], residual_px = found.shifts_px, found.agreement, found.residual_px
    quality = series_quality(given, angles, used, rejected, found)
    return AlignedImages(shifted(stack, shifts_px), angles, shifts_px, axis_deg, residual_px, agreement, used, quality)
