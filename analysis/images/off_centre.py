"""How far the bright object in an image is from the image's middle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_NEIGHBOUR, _CUT = 0.2, 0.1
"""A body with this part of the largest one's weight is a particle; with this part of the border, it is cut by it."""


def off_centre_px(image: NDArray[np.generic]) -> NDArray[np.float64] | None:
    """Offset (y, x) of the bright object from the image's centre; None when the field cuts it.

    Of several, the one nearest to the centre.
    """
    from scipy.ndimage import center_of_mass, label, sum_labels

    signal = np.asarray(image, np.float64)
    dark, bright = np.percentile(signal, (5.0, 99.5))
    weight = np.where(signal > dark + 0.3 * (bright - dark), signal - dark, 0.0)
    bodies, n = label(weight > 0.0)
    if n == 0:
        return None
    heavy = sum_labels(weight, bodies, np.arange(1, n + 1))
    large = 1 + np.flatnonzero(heavy > _NEIGHBOUR * heavy.max())
    off_px = np.array(center_of_mass(weight, bodies, large)) - 0.5 * (np.array(signal.shape) - 1.0)
    nearest = int(np.argmin(np.hypot(*off_px.T)))
    own = bodies == large[nearest]
    border = np.concatenate([own[0], own[-1], own[:, 0], own[:, -1]])
    return None if np.count_nonzero(border) > _CUT * border.size else off_px[nearest]
