"""An image small enough for the screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stride_for(shape: tuple[int, ...], side_px: int) -> int:
    """Of how many pixels one is kept."""
    return max(1, -(-max(shape) // side_px))


def shrunk(image: NDArray[np.generic], times: int) -> NDArray[np.float32]:
    """Means over so many pixels each way, fewer at the far edges; every n-th pixel alone would show its noise."""
    if times == 1:
        return np.asarray(image, np.float32)
    firsts = [np.arange(0, n, times) for n in image.shape]
    sums = np.add.reduceat(np.add.reduceat(image, firsts[0], axis=0, dtype=np.float32), firsts[1], axis=1)
    rows, columns = (np.diff(np.append(first, n)) for first, n in zip(firsts, image.shape, strict=True))
    return np.asarray(sums / np.outer(rows, columns), np.float32)


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
