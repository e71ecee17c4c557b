"""In which order targets are visited, so that the stage travels least."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, permutations

import numpy as np
from numpy.typing import NDArray

_MOST_FOR_ALL = 7
"""Targets whose orders are all tried."""


def visit_order(positions_nm: Sequence[tuple[float, float]]) -> list[int]:
    """The shortest way that begins at the first target and sees each once.

    Exact for a few targets; beyond, always to the nearest one left, then mended by turning stretches around.
    """
    places = np.asarray(positions_nm, np.float64).reshape(-1, 2)
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    others = range(1, len(places))
    if len(places) <= _MOST_FOR_ALL:
        return min(([0, *way] for way in permutations(others)), key=lambda way: travel_nm(apart, way))
    order, left = [0], set(others)
    while left:
        order.append(min(left, key=lambda k: (apart[order[-1], k], k)))
        left.remove(order[-1])
    return _mended(apart, order)


def travel_nm(apart: NDArray[np.float64], order: Sequence[int]) -> float:
    """Length of the way through the targets in this order."""
    return float(sum(apart[a, b] for a, b in pairwise(order)))


def _mended(apart: NDArray[np.float64], order: list[int]) -> list[int]:
    """Turn stretches around while that shortens the way (2-opt)."""
    shorter = True
    while shorter:
        shorter = False
        for a in range(1, len(order) - 1):
            for b in range(a + 2, len(order) + 1):
                turned = [*order[:a], *reversed(order[a:b]), *order[b:]]
                if travel_nm(apart, turned) < travel_nm(apart, order) - 1e-6:
                    order, shorter = turned, True
    return order
