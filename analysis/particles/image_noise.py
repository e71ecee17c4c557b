"""White noise of an image, told from the image itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def noise_std(values: NDArray[np.float64]) -> float:
    """Of white noise, by what a Laplacian leaves of an image, edges being few."""
    return float(1.4826 * np.median(np.abs(as_noise(values))))


def as_noise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a Laplacian leaves of an image's inner pixels, in the noise's own units."""
    inner = values[1:-1, 1:-1]
    return (
        4.0 * inner
        - 2.0 * (values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:])
        + values[:-2, :-2]
        + values[:-2, 2:]
        + values[2:, :-2]
        + values[2:, 2:]
    ) / 6.0
