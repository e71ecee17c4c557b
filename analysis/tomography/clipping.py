"""A detector that clips: brighter than its end it shows the end.

Near the end noise is cut off on one side, so a mean pixel is darker than its signal there: to leave out those that show
the end would keep the dark ones of their neighbours. What is compared is the mean and the variance of
``min(S, end)`` with S normal about the signal s: with ``z = (s - end) / sigma``, phi and Phi the normal density and
distribution, the mean is ``s - sigma (phi + z Phi)(z)`` and its slope against s ``Phi(-z)`` (Tobin, Econometrica 26
(1958), for a limited dependent variable).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.projector import Stack

_PILED_UP, _FEWEST = 4.0, 12
"""Pixels at the highest value over those next below, and the fewest of them in an image, that no tail of counts has."""
_NEAR = 5.0
"""Standard deviations below the end from which on noise does not reach it."""
_LEAST_PASSED = 0.05
"""Of a change of the signal; less of it is told from the end's own noise only by a perfect model."""
_LEAST_VARIANCE = 1e-3
"""Of what it would be unclipped."""


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
        return f"{words}: fits allow for it; lower its gain or the dose"


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


def near_end(stack: Stack, variance: Stack, end: float) -> NDArray[np.bool_]:
    """Where this signal may be clipped."""
    return np.asarray(stack > end - _NEAR * np.sqrt(variance))


def clipped(signal: Stack, variance: Stack, end: float) -> tuple[Stack, Stack, Stack]:
    """Mean of pixels with this signal and variance, what they pass on of a change of it, and their own variance.

    What passes on next to nothing passes on zero.
    """
    from scipy.special import ndtr

    sigma = np.sqrt(variance)
    z = (signal - np.float32(end)) / sigma
    density, cut = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi), ndtr(z)
    over = density + z * cut
    # With U = max(z + n, 0): E U = over, E U^2 = z over + cut.
    passed = ndtr(-z)
    # min(S, end) - s = n - U, in sigma; Cov(n, U) = Phi(z) by Stein's lemma.
    own = 1.0 - 2.0 * cut + (z * over + cut) - over**2
    passed[passed < _LEAST_PASSED] = 0.0
    mean, kept = signal - sigma * over, variance * np.maximum(own, _LEAST_VARIANCE)
    return np.asarray(mean, np.float32), np.asarray(passed, np.float32), np.asarray(kept, np.float32)
