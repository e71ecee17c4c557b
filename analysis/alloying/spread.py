"""How unlike one another the voxels of a particle are: the measures from which a degree of alloying is made.

Mychinko et al., Small 2021, take the standard deviation. Robust ones (median absolute deviation, interquartile range)
ignore edges and outliers; the distance between histograms compares with the fully alloyed particle directly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Quantiles = NDArray[np.float64]
"""Voxel values over their mean, at evenly spaced probabilities, rising."""
Spread = Callable[[Quantiles, Quantiles], float]
"""Of these quantiles, given those of the fully alloyed particle."""

QUANTILES = 1000


def quantiles_of(values: NDArray[np.floating]) -> Quantiles:
    """Quantiles of the voxels' values over their mean."""
    at = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return np.asarray(np.quantile(np.asarray(values, np.float64) / float(np.mean(values)), at))


def _median_deviation(q: Quantiles, _: Quantiles) -> float:
    return float(np.median(np.abs(q - np.median(q))))


def _interquartile(q: Quantiles, _: Quantiles) -> float:
    return float(q[3 * len(q) // 4] - q[len(q) // 4])


def _histogram_distance(q: Quantiles, alloyed: Quantiles) -> float:
    """Earth mover's distance: the area between the two cumulative histograms."""
    return float(np.mean(np.abs(q - alloyed)))


SPREADS: Mapping[str, Spread] = MappingProxyType(
    {
        "std": lambda q, _: float(q.std()),
        "variance": lambda q, _: float(q.var()),
        "mad": _median_deviation,
        "iqr": _interquartile,
        "histogram": _histogram_distance,
    }
)


def degree_of(spread: Spread, start: Quantiles, now: Quantiles, alloyed: Quantiles) -> float:
    """Degree of alloying ``(s(0) - s) / (s(0) - s_alloyed)`` (Mychinko et al., Small 2021); 0 where none can change."""
    first, last = spread(start, alloyed), spread(alloyed, alloyed)
    return (first - spread(now, alloyed)) / (first - last) if first != last else 0.0
