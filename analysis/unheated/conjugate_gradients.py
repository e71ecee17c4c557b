"""Conjugate gradients on lists of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Unknowns = list[NDArray[np.floating]]
_DONE = 1e-6


def conjugate_gradients(
    apply: Callable[[Unknowns], Unknowns], right: Unknowns, precondition: Callable[[Unknowns], Unknowns], steps: int
) -> Unknowns:
    """Solve apply(u) = right for a positive definite `apply`; `precondition` is near its inverse."""
    found = [np.zeros_like(r) for r in right]
    left = [r.copy() for r in right]
    preconditioned = precondition(left)
    way = [e.copy() for e in preconditioned]
    size = start = dot(left, preconditioned)
    if start == 0.0:
        return found
    for _ in range(steps):
        image = apply(way)
        step = size / dot(way, image)
        found = [f + step * w for f, w in zip(found, way, strict=True)]
        left = [r - step * i for r, i in zip(left, image, strict=True)]
        preconditioned = precondition(left)
        before, size = size, dot(left, preconditioned)
        if size < _DONE * start:
            break
        way = [e + (size / before) * w for e, w in zip(preconditioned, way, strict=True)]
    return found


def dot(a: Sequence[NDArray[np.floating]], b: Sequence[NDArray[np.floating]]) -> float:
    return sum(float(np.vdot(p, q)) for p, q in zip(a, b, strict=True))
