"""How thick a shell of another composition is, from the rings of a projection.

The particle is taken for a ball with an even core in an even shell: a ring at r is looked at through a chord of the
ball, of which a shorter chord is core. The ball's radius follows from the amounts, whose squares fall evenly with r^2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.results import Estimate

_THINNEST_NM, _FEWEST_RINGS = 0.1, 5


def shell_thickness(
    radius_nm: NDArray[np.float64],
    per_pixel: NDArray[np.float64],
    fractions: NDArray[np.float64],
    std: NDArray[np.float64],
) -> Estimate | None:
    """Thickness in nm of the shell; nothing where the rings do not tell it.

    Parameters
    ----------
    radius_nm : of each ring
    per_pixel : amount of all elements per pixel of each ring
    fractions, std : of the element that tells core and shell apart, in each ring
    """
    from scipy.optimize import least_squares

    ball_nm = ball_radius(radius_nm, per_pixel)
    inside = (radius_nm < ball_nm) & np.isfinite(fractions) & (std > 0.0)
    if ball_nm <= 0.0 or inside.sum() < _FEWEST_RINGS:
        return None
    r, seen, weight = radius_nm[inside], fractions[inside], 1.0 / std[inside]

    def misses(x: NDArray[np.float64]) -> NDArray[np.float64]:
        core, shell, thickness_nm = x
        part = np.sqrt(np.maximum((ball_nm - thickness_nm) ** 2 - r**2, 0.0) / (ball_nm**2 - r**2))
        return np.asarray((shell + (core - shell) * part - seen) * weight)

    start = np.array([seen[0], seen[-1], 0.25 * ball_nm])
    bounds = ([-1.0, -1.0, _THINNEST_NM], [2.0, 2.0, 0.9 * ball_nm])
    found = least_squares(misses, np.clip(start, *bounds), bounds=bounds)
    slopes = np.asarray(found.jac, np.float64)
    normal = slopes.T @ slopes
    if np.any(found.active_mask) or np.linalg.cond(normal) > 1e12:
        return None
    scatter = max(1.0, 2.0 * float(found.cost) / max(1, len(r) - 3))
    return Estimate(float(found.x[2]), float(np.sqrt(scatter * np.linalg.inv(normal)[2, 2])))


def ball_radius(radius_nm: NDArray[np.float64], per_pixel: NDArray[np.float64]) -> float:
    """Of the ball with these chords: ``chord^2 = 4 (R^2 - r^2)``, by the rings that see at least half the longest."""
    long = per_pixel > 0.5 * per_pixel.max()
    if long.sum() < 2:
        return 0.0
    slope, intercept = np.polyfit(radius_nm[long] ** 2, per_pixel[long] ** 2, 1)
    return float(np.sqrt(-intercept / slope)) if slope < 0.0 < intercept else 0.0
