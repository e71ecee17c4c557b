"""An image small enough for the screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MOST_PX = 4
"""Of a block, each way."""


def stride_for(shape: tuple[int, ...], side_px: int) -> int:
    """Of how many pixels one is kept."""
    return max(1, -(-max(shape) // side_px))


def shrunk(image: NDArray[np.generic], times: int) -> NDArray[np.float32]:
    """Every `times`-th pixel each way, as the mean of up to 16 spread over its block: one alone would show its noise.

    All pixels of a large frame would take longer than the loop that guards a chip can wait.
    """
    most = min(times, _MOST_PX)
    total = np.zeros([-(-n // times) for n in image.shape], np.float32)
    rows, columns = (
        [np.minimum(np.arange(0, n, times) + k * times // most, n - 1) for k in range(most)] for n in image.shape
    )
    for row in rows:
        for column in columns:
            total += np.asarray(image[np.ix_(row, column)], np.float32)
    return np.asarray(total / most**2, np.float32)


def thumbnail(image: NDArray[np.generic], side_px: int) -> NDArray[np.uint8]:
    """Means of so many pixels (y, x) that no side is longer, stretched between their percentiles."""
    small = shrunk(image, stride_for(image.shape, side_px))
    low, high = np.percentile(small, (1.0, 99.7))
    return np.asarray(np.clip((small - low) * (255.0 / max(high - low, 1e-9)), 0, 255), np.uint8)


def binned(image: NDArray[np.generic], most_px: int) -> tuple[NDArray[np.float64], int]:
    """An image (y, x) of means over so many pixels each way that no side is longer, and that number."""
    times = stride_for(image.shape, most_px)
    rows, columns = (n // times for n in image.shape)
    blocks = np.asarray(image[: rows * times, : columns * times], np.float64).reshape(rows, times, columns, times)
    return blocks.mean(axis=(1, 3)), times
