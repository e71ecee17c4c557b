"""What an outline measures, each with an error: of the calibration, and of where an outline's pixels lie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.particles.hidden_part import Ellipse, whole
from analysis.particles.outlines import Labels
from analysis.particles.wanted import ShapeClass
from analysis.results import Estimate

_EDGE_PX, _ALIKE_PX = 0.3, 3.0
"""How well each piece of an outline is placed, and how long such a piece is."""
_ALL_PX = 0.3
"""By how much a whole outline may lie too far out or in: sizes of drawn particles come out right to so much."""
SMALL_PX, _ALL_SMALL_PX = 10.0, 0.5
"""Diameter below which a whole outline may lie this far out or in."""
_HIDDEN_STD = 0.15
"""Of the area that lies under others and is completed."""
_ROUND, _LONG, _HOLLOW, _SQUARE = 1.15, 1.8, 0.93, 0.9
"""Aspect ratios up to which a body is round and from which it is a rod; solidity and circularity of classes."""


@dataclass(frozen=True)
class Measured:
    """One particle of an image."""

    label: int
    y_px: float
    x_px: float
    area_nm2: Estimate
    """Of a round one with what lies under others; of any other shape, what is seen."""
    diameter_nm: Estimate
    """Of the disc with its area."""
    feret_nm: Estimate
    """The longest way across."""
    aspect_ratio: Estimate
    """Length over width, by second moments."""
    circularity: Estimate
    """4 pi area over the perimeter's square: 1 for a disc."""
    orientation_deg: float
    """Of the long axis, counter-clockwise on the screen from x, -90 to 90."""
    shape: ShapeClass
    intensity: Estimate
    """Mean over its pixels, and the standard deviation of that mean."""
    touching: bool
    cut: bool
    """By the edge of the image: sizes are then lower bounds."""


def measured(
    image: NDArray[np.generic], labels: Labels, pixel_nm: float, pixel_std: float = 0.0
) -> tuple[Measured, ...]:
    """Every labelled particle; `pixel_std` is the relative error of the pixel size, common to all."""
    from scipy.ndimage import maximum_filter, minimum_filter
    from skimage.measure import regionprops

    regions: Any = regionprops  # scikit-image ships no types
    values = np.asarray(image, np.float64)
    highest = maximum_filter(labels, 3)
    lowest = minimum_filter(np.where(labels > 0, labels, labels.max() + 1), 3)
    meets_other = (labels > 0) & ((highest != labels) | (lowest != labels))
    return tuple(_measured(body, values, labels, meets_other, pixel_nm, pixel_std) for body in regions(labels, values))


def _measured(
    body: Any,
    values: NDArray[np.float64],
    labels: Labels,
    meets_other: NDArray[np.bool_],
    pixel_nm: float,
    pixel_std: float,
) -> Measured:
    inside = labels[body.slice] == body.label
    rows, columns = body.slice
    cut = rows.start == 0 or columns.start == 0 or rows.stop == labels.shape[0] or columns.stop == labels.shape[1]
    touching = bool(meets_other[body.slice][inside].any())
    full = _completed(labels, body) if touching and not cut else None
    seen, perimeter = float(body.area), float(body.perimeter_crofton)
    area_px2 = seen if full is None else max(seen, full.area_px2)
    pieces = max(perimeter / _ALIKE_PX, 1.0)
    all_px = _ALL_PX if np.sqrt(4.0 * area_px2 / np.pi) >= SMALL_PX else _ALL_SMALL_PX
    outline_std = float(np.hypot(_EDGE_PX / np.sqrt(pieces), all_px)) * perimeter
    area_std = float(np.hypot(outline_std, _HIDDEN_STD * (area_px2 - seen)))
    area = Estimate(area_px2 * pixel_nm**2, float(np.hypot(area_std, 2.0 * pixel_std * area_px2)) * pixel_nm**2)
    diameter = float(np.sqrt(4.0 * area_px2 / np.pi))
    diameter_std = float(np.hypot(0.5 * area_std / area_px2, pixel_std)) * diameter
    feret = max(float(body.feret_diameter_max), 0.0 if full is None else full.long_px)
    feret_std = float(np.hypot(np.hypot(np.sqrt(2.0) * _EDGE_PX, 2.0 * _ALL_PX), pixel_std * feret))
    long, wide = (max(float(axis), 1.0) for axis in (body.axis_major_length, body.axis_minor_length))
    if full is not None:
        long, wide = full.long_px, full.wide_px
    aspect_std = long / wide * _EDGE_PX * float(np.hypot(1.0 / long, 1.0 / wide))
    circularity = min(1.0, 4.0 * np.pi * seen / max(perimeter, 1.0) ** 2)
    circularity_std = 2.0 * circularity * _EDGE_PX / (0.5 * diameter * np.sqrt(pieces))
    pixels = values[body.slice][inside]
    turn = 90.0 + float(np.degrees(body.orientation))
    return Measured(
        label=int(body.label),
        y_px=float(body.centroid[0]) if full is None else full.y_px,
        x_px=float(body.centroid[1]) if full is None else full.x_px,
        area_nm2=area,
        diameter_nm=Estimate(diameter * pixel_nm, diameter_std * pixel_nm),
        feret_nm=Estimate(feret * pixel_nm, feret_std * pixel_nm),
        aspect_ratio=Estimate(long / wide, aspect_std),
        circularity=Estimate(circularity, circularity_std),
        orientation_deg=turn - 180.0 if turn > 90.0 else turn,
        shape=_class(long / wide, 1.0 if full else float(body.solidity), 1.0 if full else circularity),
        intensity=Estimate(float(pixels.mean()), float(pixels.std() / np.sqrt(pixels.size))),
        touching=touching,
        cut=cut,
    )


def _completed(labels: Labels, body: Any) -> Ellipse | None:
    """The ellipse that a touching body is part of, in the image's pixels."""
    rows, columns = (slice(max(0, s.start - 3), s.stop + 3) for s in body.slice)
    here = labels[rows, columns]
    found = whole(here == body.label, (here > 0) & (here != body.label))
    return None if found is None else replace(found, y_px=found.y_px + rows.start, x_px=found.x_px + columns.start)


def _class(aspect: float, solidity: float, circularity: float) -> ShapeClass:
    if aspect > _LONG:
        return "rod"
    if solidity < _HOLLOW:
        return "hollow-sided"
    if aspect < _ROUND:
        return "round" if circularity > _SQUARE else "square"
    return "other"
