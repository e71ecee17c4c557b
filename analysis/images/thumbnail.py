"""An image small enough for the screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stride_for(shape: tuple[int, ...], side_px: int) -> int:
    """Of how many pixels one is kept."""
    return max(1, -(-max(shape) // side_px))


def thumbnail(image: NDArray[np.generic], side_px: int) -> NDArray[np.uint8]:
    """Every n-th pixel (y, x), so that no side is longer, stretched between its percentiles."""
    stride = stride_for(image.shape, side_px)
    small = np.asarray(image[::stride, ::stride], np.float32)
    low, high = np.percentile(small, (1.0, 99.7))
    return np.asarray(np.clip((small - low) * (255.0 / max(high - low, 1e-9)), 0, 255), np.uint8)


def binned(image: NDArray[np.generic], most_px: int) -> tuple[NDArray[np.float64], int]:
    """An image (y, x) of means over so many pixels each way that no side is longer, and that number."""
    times = stride_for(image.shape, most_px)
    rows, columns = (n // times for n in image.shape)
    blocks = np.asarray(image[: rows * times, : columns * times], np.float64).reshape(rows, times, columns, times)
    return blocks.mean(axis=(1, 3)), times
