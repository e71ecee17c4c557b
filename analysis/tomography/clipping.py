"""A detector that clips: brighter than its end it shows the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PILED_UP, _FEWEST = 4.0, 12
"""Pixels at the highest value over those next below, and the fewest of them in an image, that no tail of counts has."""


@dataclass(frozen=True)
class Clipping:
    """Where a tilt series ends for its detector."""

    counts: float
    """The highest value there is."""
    images: int
    """That reach it with more than a few pixels."""
    worst_part: float
    """Of the pixels of the worst of them."""

    def __str__(self) -> str:
        where = (
            f"{self.images} image{'s' if self.images > 1 else ''}, up to {100 * self.worst_part:.1f} % of the pixels"
        )
        words = f"the detector clips at {self.counts:g} counts in {where}"
        return f"{words}: they are left out of the fits; lower its gain or the dose"


def clipping_of(images: Sequence[NDArray[np.generic]]) -> Clipping | None:
    """The value at which many pixels of integer images pile up; nothing where none does."""
    if not images or not all(np.issubdtype(image.dtype, np.integer) for image in images):
        return None
    tops = [int(image.max()) for image in images]
    end = max(tops)
    at_end = [int(np.count_nonzero(image == end)) for image in images]
    below = [int(np.count_nonzero(image == end - 1)) for image in images]
    clipped = [n > max(_FEWEST, _PILED_UP * b) for n, b in zip(at_end, below, strict=True)]
    if not any(clipped):
        return None
    worst = max(n / image.size for n, image in zip(at_end, images, strict=True))
    return Clipping(float(end), sum(clipped), worst)
