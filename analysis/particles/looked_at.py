"""The particles of an image from outside: outlines and measures of what was recorded, and what a person should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.particles.annotations import annotations_of
from analysis.particles.measurement import SMALL_PX, Measured, measured
from analysis.particles.outlines import Denoised, Labels, Method, outlines
from analysis.particles.tops import crowds, missed, tops_of

_MERGED = 1.05
"""So many tops for each outline: more than chance."""


@dataclass(frozen=True)
class LookedAt:
    """What was found in one image."""

    labels: Labels
    """(y, x) of the whole image."""
    particles: tuple[Measured, ...]
    notes: tuple[str, ...]


def look_at(
    image: NDArray[np.generic],
    pixel_nm: float,
    method: Method,
    denoised: Denoised = "no",
    *,
    bright_field: bool = False,
    pixel_std: float = 0.0,
) -> LookedAt:
    """Outline and measure particles, labels and scale bars left out; raises as `outlines` does."""
    drawn = annotations_of(image)
    part = image[drawn.field]
    found, left_out = drawn.without_labels(outlines(part, method, denoised, bright_field=bright_field))
    bodies = measured(part, found, pixel_nm, pixel_std)
    labels = np.zeros(image.shape, np.int32)
    labels[drawn.field] = found
    notes = []
    for cut, what in zip(np.subtract(image.shape, part.shape), ("rows", "columns"), strict=True):
        if cut:
            notes.append(f"a bar with a label, {cut} {what} of pixels at the edge, was left out")
    if left_out:
        words = "words, a scale bar or a ruler drawn on the image, and what lies in the place of a label"
        notes.append(f"{words}, were left out: {left_out} outlines")
    top, left = (span.start for span in drawn.field)
    placed = tuple(replace(body, y_px=body.y_px + top, x_px=body.x_px + left) for body in bodies)
    values = np.asarray(part, np.float64)
    tops = tops_of(-values if bright_field else values, found)
    single, unseen = int(crowds(found, tops).sum()), missed(found, tops)
    if single > _MERGED * len(bodies):
        words = f"{single} bright tops lie in {len(bodies)} outlines: small touching particles are taken together"
        notes.append(f"{words}, so that numbers and sizes are wrong; magnify more")
    if unseen > (_MERGED - 1.0) * len(bodies):
        words = f"{unseen} bright tops lie outside the {len(bodies)} outlines: particles are missed"
        notes.append(f"{words}, so that their number is wrong; magnify more or record longer")
    return LookedAt(labels, placed, (*notes, *_small(placed, pixel_nm)))


def _small(particles: Sequence[Measured], pixel_nm: float) -> list[str]:
    small = [p for p in particles if p.diameter_nm.value < SMALL_PX * pixel_nm]
    if not small:
        return []
    missed = ", and touching ones may be missed or merged" if any(p.touching for p in small) else ""
    good = f"their diameters are good to 1 px ({pixel_nm:.3g} nm), their shapes are not told well{missed}"
    return [f"{len(small)} particles are less than {SMALL_PX:g} px across: {good}; magnify more"]
