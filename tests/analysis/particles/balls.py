"""Images of balls, as a detector would give them."""

import numpy as np
from scipy.ndimage import gaussian_filter


def balls(places_px: list[tuple[float, float]], diameter_px: float, side_px: int, noise: float = 4.0) -> np.ndarray:
    """8-bit image of balls, blurred by 0.8 px, on a support; they are 100 brighter than it, before it is doubled."""
    y, x = np.mgrid[:side_px, :side_px]
    image = np.zeros((side_px, side_px))
    for v, u in places_px:
        image += 100.0 * np.sqrt(np.clip(1.0 - ((y - v) ** 2 + (x - u) ** 2) / (0.5 * diameter_px) ** 2, 0.0, None))
    noisy = gaussian_filter(image, 0.8) + 20.0 + np.random.default_rng(0).normal(0.0, noise, image.shape)
    return np.clip(2.0 * noisy, 0.0, 255.0).astype(np.uint8)


TWENTY = balls([(a, b) for a in range(40, 340, 75) for b in range(40, 360, 75)], 30.0, 384)
"""Of 30 px."""
