"""Bars with writing that a program has added along an image's edges: what lies between them was recorded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CONSTANT, _PAPER, _ELSEWHERE = 0.9, 0.3, 0.1
"""Of a row's pixels, those of one value in the outermost row of a bar and in its innermost; of the pixels, those of the
paper's value in a bar, and at most in the rest of the image."""
_LEAST_ROWS, _MOST = 8, 0.4
"""Of a bar: rows, and part of the image."""
_BARE, _MOST_BARE = 0.05, 0.2
"""Of a row's pixels, those of the paper's value, below which it is no row of a bar; the most of those in one."""


def recorded_field(values: NDArray[np.float64]) -> tuple[slice, slice]:
    """Rows and columns of an image (y, x) without the bars at any of its four sides."""
    rows = slice(_bar(values), len(values) - _bar(values[::-1]))
    turned = values[rows].T
    return rows, slice(_bar(turned), len(turned) - _bar(turned[::-1]))


def _bar(values: NDArray[np.float64]) -> int:
    """How many rows from the first a bar with writing has; 0 where there is none."""
    most = int(_MOST * len(values))
    if _commonest(values[0])[1] < _CONSTANT or most < _LEAST_ROWS:
        return 0
    paper, _ = _commonest(values[:_LEAST_ROWS])
    part = (values == paper).mean(axis=1)
    for height in range(most, _LEAST_ROWS - 1, -1):
        bar, rest = part[:height], part[height:]
        if bar.mean() < _PAPER or rest.mean() > _ELSEWHERE or (bar < _BARE).mean() > _MOST_BARE:
            continue
        if _commonest(values[height - 1])[1] >= _CONSTANT:
            return height
    return 0


def _commonest(values: NDArray[np.float64]) -> tuple[float, float]:
    """A value, and what part of the pixels has it."""
    found, often = np.unique(values, return_counts=True)
    return float(found[often.argmax()]), float(often.max() / values.size)
