"""How thick a shell of another composition is, from the rings of a projection.

The particle is taken for a ball with an even core in an even shell, seen through a round probe: amounts along chords,
blurred, then summed over the same rings. Radius, blur, thickness and both compositions are fitted together, so that
what they leave open in one another is in the error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.results import Estimate

_FEWEST_RINGS = 6
_PARTS = 4
"""Points to the width of a ring."""
_MARGIN_NM = 2.0
"""Beyond the last ring: what is blurred comes from there, too."""


def shell_thickness(
    ring_nm: float,
    per_pixel: NDArray[np.float64],
    per_pixel_std: NDArray[np.float64],
    fractions: NDArray[np.float64],
    fractions_std: NDArray[np.float64],
) -> Estimate | None:
    """Thickness in nm of the shell; nothing where the rings do not tell it.

    Parameters
    ----------
    per_pixel : amount of all elements per pixel, of each ring from the centre on; in any unit
    fractions : of the element that tells core and shell apart, in each ring
    """
    from scipy.optimize import least_squares

    told = np.isfinite(fractions) & (fractions_std > 0.0) & (per_pixel_std > 0.0)
    radius_nm = _ball_radius(ring_nm, per_pixel)
    if told.sum() < _FEWEST_RINGS or radius_nm <= 0.0:
        return None
    rings = _Rings(ring_nm, len(per_pixel))

    def misses(x: NDArray[np.float64]) -> NDArray[np.float64]:
        core, shell, thickness_nm, ball_nm, blur_nm, height = x
        all_of_it, within = rings.of(ball_nm, blur_nm), rings.of(ball_nm - thickness_nm, blur_nm)
        part = within / np.maximum(all_of_it, 1e-9)
        amounts = (height * all_of_it - per_pixel) / per_pixel_std
        seen = (shell + (core - shell) * part - fractions) / fractions_std
        return np.concatenate([amounts[told], seen[told]])

    height = float(per_pixel[0] / (2.0 * radius_nm))
    start = [fractions[told][0], fractions[told][-1], 0.25 * radius_nm, radius_nm, 0.3, height]
    low = [-1.0, -1.0, 0.05, 0.5 * radius_nm, 0.0, 0.0]
    high = [2.0, 2.0, 0.95 * radius_nm, 2.0 * radius_nm, 0.4 * radius_nm, np.inf]
    found = least_squares(
        misses, np.clip(start, low, high), bounds=(low, high), x_scale=np.abs(start), diff_step=[1e-3] * len(start)
    )
    slopes = np.asarray(found.jac, np.float64)
    free = [n for n in range(len(start)) if not found.active_mask[n]]
    normal = slopes[:, free].T @ slopes[:, free]
    if 2 not in free or np.linalg.cond(normal) > 1e14:
        return None
    scatter = max(1.0, 2.0 * float(found.cost) / max(1, 2 * int(told.sum()) - len(start)))
    variance = np.linalg.inv(normal)[free.index(2), free.index(2)]
    return Estimate(float(found.x[2]), float(np.sqrt(scatter * variance)))


class _Rings:
    """Projected balls, summed over rings."""

    def __init__(self, ring_nm: float, number: int) -> None:
        self._step_nm = ring_nm / _PARTS
        half = int(np.ceil((ring_nm * number + _MARGIN_NM) / self._step_nm))
        across = self._step_nm * (np.arange(2 * half) + 0.5 - half)
        self._r2_nm2 = across[:, None] ** 2 + across**2
        ring = np.floor(np.sqrt(self._r2_nm2) / ring_nm).astype(int).ravel()
        self._ring, self._number = np.minimum(ring, number), number
        self._points = np.bincount(self._ring, minlength=number + 1)[:number]

    def of(self, ball_nm: float, blur_nm: float) -> NDArray[np.float64]:
        """Mean chord through a ball in each ring, blurred by a standard deviation."""
        from scipy.ndimage import gaussian_filter

        chord = 2.0 * np.sqrt(np.maximum(max(ball_nm, 0.0) ** 2 - self._r2_nm2, 0.0))
        blurred = gaussian_filter(chord, blur_nm / self._step_nm)
        summed = np.bincount(self._ring, blurred.ravel(), self._number + 1)[: self._number]
        return np.asarray(summed / self._points, np.float64)


def _ball_radius(ring_nm: float, per_pixel: NDArray[np.float64]) -> float:
    """About that of the ball with these chords: ``chord^2 = 4 (R^2 - r^2)``, by the rings that see most of it."""
    radius_nm = ring_nm * (np.arange(len(per_pixel)) + 0.5)
    long = per_pixel > 0.5 * per_pixel.max()
    if long.sum() < 2:
        return 0.0
    slope, intercept = np.polyfit(radius_nm[long] ** 2, per_pixel[long] ** 2, 1)
    return float(np.sqrt(-intercept / slope)) if slope < 0.0 < intercept else 0.0
