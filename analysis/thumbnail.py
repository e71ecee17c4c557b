"""An image small enough for the screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SCREEN_PX = 96
"""Of a picture on the screen, at most."""


def stride_for(shape: tuple[int, ...], side_px: int) -> int:
    """Of how many pixels one is kept."""
    return max(1, -(-max(shape) // side_px))


def thumbnail(image: NDArray[np.generic], side_px: int) -> NDArray[np.uint8]:
    """Every n-th pixel (y, x), so that no side is longer, stretched between its percentiles."""
    stride = stride_for(image.shape, side_px)
    small = np.asarray(image[::stride, ::stride], np.float32)
    low, high = np.percentile(small, (1.0, 99.7))
    return np.asarray(np.clip((small - low) * (255.0 / max(high - low, 1e-9)), 0, 255), np.uint8)
