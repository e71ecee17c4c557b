"""A round particle that lies partly under another, completed from the rim that is free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUND, _LEAST_PX = 1.3, 15.0
"""Length over width up to which, and diameter from which, an ellipse is told from a square or a short rod."""
_MOST_HIDDEN = 0.45
"""Of the particle: more of it is not guessed."""
_FREE_RIM = 0.5
"""Of the ellipse: what must be seen of it."""
_OFF_PX, _OFF = 0.7, 0.02
"""How far, root mean square, the rim may lie from an ellipse: pixels, and of its radius."""


@dataclass(frozen=True)
class Ellipse:
    """In pixels; the axes are diameters."""

    y_px: float
    x_px: float
    long_px: float
    wide_px: float

    @property
    def area_px2(self) -> float:
        return 0.25 * float(np.pi) * self.long_px * self.wide_px


def whole(body: NDArray[np.bool_], others: NDArray[np.bool_]) -> Ellipse | None:
    """The ellipse that the free rim of a body (y, x) is part of; None when it is part of none, or too little is seen.

    Parameters
    ----------
    others : pixels of its neighbours; the rim within two pixels of them is not free
    """
    from scipy.ndimage import binary_dilation, binary_erosion

    rim = body & ~binary_erosion(body)
    free = rim & ~binary_dilation(others, iterations=2)
    y, x = np.nonzero(free)
    if len(y) < 12:
        return None
    middle = np.array([y.mean(), x.mean()])
    scale = float(np.hypot(y - middle[0], x - middle[1]).max())
    v, u = (y - middle[0]) / scale, (x - middle[1]) / scale
    ellipse = _through(v, u)
    if ellipse is None:
        return None
    quadratic, centre = ellipse
    axes = 1.0 / np.sqrt(np.linalg.eigvalsh(quadratic))  # falling
    offsets = np.stack([v, u], axis=1) - centre
    reach = np.sqrt(np.einsum("pi,ij,pj->p", offsets, quadratic, offsets))
    distance = np.hypot(*offsets.T)
    off_px = scale * float(np.sqrt(np.mean((distance - distance / reach) ** 2)))
    turned = np.arctan2(*(offsets @ np.linalg.cholesky(quadratic)).T)
    seen = np.count_nonzero(np.histogram(turned, 36, (-np.pi, np.pi))[0]) / 36.0
    # Pixels of the rim lie half a pixel inside the outline.
    long_px, wide_px = (2.0 * (scale * float(a) + 0.5) for a in axes)
    y_px, x_px = (float(m + scale * c) for m, c in zip(middle, centre, strict=True))
    found = Ellipse(y_px, x_px, long_px, wide_px)
    straight = off_px > _OFF_PX + _OFF * 0.25 * (long_px + wide_px)
    if long_px > _ROUND * wide_px or np.sqrt(long_px * wide_px) < _LEAST_PX:
        return None
    if straight or seen < _FREE_RIM or body.sum() < (1.0 - _MOST_HIDDEN) * found.area_px2:
        return None
    return found


def _through(v: NDArray[np.float64], u: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The ellipse (p - c) Q (p - c) = 1 nearest to points, as Q and c; None when they lie on no ellipse."""
    design = np.stack([v * v, 2.0 * u * v, u * u, v, u], axis=1)
    a, b, c, d, e = np.linalg.lstsq(design, np.ones_like(v), rcond=None)[0]
    quadratic = np.array([[a, b], [b, c]])
    if np.linalg.eigvalsh(quadratic)[0] <= 0.0:
        return None
    centre = np.linalg.solve(quadratic, [-0.5 * d, -0.5 * e])
    size = 1.0 + float(centre @ quadratic @ centre)
    return quadratic / size, centre
