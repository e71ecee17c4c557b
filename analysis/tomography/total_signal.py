"""The sum of a particle's projections does not change: what else enters the field, and where the crystal diffracts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LOW_DEG, _FEWEST = 40.0, 10
"""Up to there a tilt series is trusted to show one particle and what carries it."""
_EXCESS, _SCATTERS = 0.03, 5.0
"""Of the sum, and in median deviations of the low tilts, above which there is more than those."""
_ROUNDS = 5
_IN_A_ROW = 3
"""Fewer are single bright tilts."""
_DIFFRACTS, _BESIDE, _MOST_DIFFRACT = 0.05, 4, 0.25
"""Of the sum, by which it differs from those of so many tilts on either side; a larger part of all tilts that do is a
beam that is not steady, whose images are as good as each other."""


def entered(sums: NDArray[np.float64], tilts_deg: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which tilts, from where on up to the highest on either side, hold more than a particle on its carrier.

    A particle's sum is the same at every tilt, a carrier's grows as one over the cosine. Both are learned from the low
    tilts, single bright ones (diffraction) left aside.

    Parameters
    ----------
    sums : (tilt,) intensities above the offset
    """
    none = np.zeros(len(sums), bool)
    low = np.abs(tilts_deg) <= _LOW_DEG
    if low.sum() < _FEWEST or low.all():
        return none
    expected, scatter = _alone(sums, tilts_deg, low)
    more = sums - expected > np.maximum(_EXCESS * expected, _SCATTERS * scatter)
    found = none.copy()
    for side in (tilts_deg < -_LOW_DEG / 2, tilts_deg > _LOW_DEG / 2):
        inwards = np.flatnonzero(side)[np.argsort(-np.abs(tilts_deg[side]))]
        alone = np.flatnonzero(~more[inwards])
        run = int(alone[0]) if len(alone) else len(inwards)
        found[inwards[:run]] = run >= _IN_A_ROW
    return found


def diffracting(sums: NDArray[np.float64], tilts_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """By what part single tilts are brighter (or darker) than those around them; 0 where a tilt is like the others.

    Near a zone axis a crystal diffracts onto the detector, or away from it: its metal alone is brighter, what lies
    around it is not, and the signal is no longer the projected scattering. A beam that drifts changes many tilts.

    Parameters
    ----------
    sums : (tilt,) intensities above the offset
    """
    from scipy.ndimage import median_filter

    none = np.zeros(len(sums))
    if len(sums) < _FEWEST:
        return none
    order = np.argsort(tilts_deg, kind="stable")
    usual, _ = _alone(sums, tilts_deg, np.ones(len(sums), bool))
    usual[order] += median_filter((sums - usual)[order], 2 * _BESIDE + 1, mode="reflect")
    if (usual <= 0.0).any():
        return none
    apart = sums / usual - 1.0
    scatter = 1.48 * float(np.median(np.abs(apart)))
    found = np.abs(apart) > max(_DIFFRACTS, _SCATTERS * scatter)
    return np.where(found, apart, 0.0) if found.mean() <= _MOST_DIFFRACT else none


def _alone(
    sums: NDArray[np.float64], tilts_deg: NDArray[np.float64], trusted: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """Sums of a particle on its carrier, as the trusted tilts tell it, and by how much those scatter about it."""
    basis = np.stack([np.ones(len(sums)), 1.0 / np.cos(np.radians(np.clip(tilts_deg, -85.0, 85.0))) - 1.0], axis=1)
    weight = trusted.astype(float)
    for _ in range(_ROUNDS):
        particle, carrier = np.linalg.lstsq(basis * weight[:, None], sums * weight, rcond=None)[0]
        expected = basis @ np.array([particle, max(carrier, 0.0)])
        missed = np.abs(sums - expected)
        scatter = max(1.48 * float(np.median(missed[trusted])), 1e-9)
        weight = np.where(trusted, 1.0 / np.maximum(missed / scatter, 1.0), 0.0)
    return expected, scatter
