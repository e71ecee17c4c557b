"""The one body that a mask is about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def main_body(candidate: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected body, its holes filled."""
    from scipy.ndimage import binary_fill_holes, label

    labels, n = label(candidate)
    if n == 0:
        return candidate
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(binary_fill_holes(labels == int(sizes.argmax())), bool)
