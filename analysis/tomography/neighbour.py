"""Something else that enters the field of view at high tilt: the sum of a particle's projections does not change."""

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
    basis = np.stack([np.ones(len(sums)), 1.0 / np.cos(np.radians(np.clip(tilts_deg, -85.0, 85.0))) - 1.0], axis=1)
    weight = low.astype(float)
    for _ in range(_ROUNDS):
        particle, carrier = np.linalg.lstsq(basis * weight[:, None], sums * weight, rcond=None)[0]
        expected = basis @ np.array([particle, max(carrier, 0.0)])
        missed = np.abs(sums - expected)
        scatter = max(1.48 * float(np.median(missed[low])), 1e-9)
        weight = np.where(low, 1.0 / np.maximum(missed / scatter, 1.0), 0.0)
    more = sums - expected > np.maximum(_EXCESS * expected, _SCATTERS * scatter)
    found = none.copy()
    for side in (tilts_deg < -_LOW_DEG / 2, tilts_deg > _LOW_DEG / 2):
        inwards = np.flatnonzero(side)[np.argsort(-np.abs(tilts_deg[side]))]
        alone = np.flatnonzero(~more[inwards])
        run = int(alone[0]) if len(alone) else len(inwards)
        found[inwards[:run]] = run >= _IN_A_ROW
    return found
