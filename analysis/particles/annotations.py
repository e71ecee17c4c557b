"""What was drawn on an image after it was recorded: bars with labels at its edge, scale bars and rulers inside it.

Recorded pixels have noise; drawn ones have one value over many pixels, and sharp edges. Where an image has no noise
itself nothing can be told, and nothing is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PAPER, _WRITTEN, _ELSEWHERE = 0.9, 0.3, 0.1
"""Of a row's pixels, those of the paper's value: in the outermost row, in each row with writing, and on average in the
rest of the image."""
_LEAST_ROWS, _MOST = 8, 0.4
"""Of a bar: rows, and part of the image."""
_LINE_PX, _LONGER = 16, 4
"""A ruled line: its least length, and how much longer than thick it is."""
_EVEN = 0.1
"""Of the pixels, in lines of one value: with more the image itself has no noise."""
_SHARP, _AROUND = 0.25, 0.8
"""Of the image's contrast: what a line differs by from what is beside it, nearly all around."""
_LABEL, _LABEL_PX = 4, 20
"""Of a line's thickness, and at least in pixels: how far from it its label reaches."""
_WITHIN = 0.95
"""Of a body, in the place of a label, to be taken for a part of it: small letters are smoothed, and of no one value."""


@dataclass(frozen=True)
class Annotations:
    """What of an image was drawn on it."""

    rows: slice
    """Those that were recorded."""
    lines: tuple[tuple[slice, slice], ...]
    """Ruled lines, such as scale bars, within these rows."""

    def without_labels(self, labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
        """Labels (y, x) of these rows without bodies that are drawn, numbered anew, and how many those were."""
        drawn: set[int] = set()
        whole = np.bincount(labels.ravel())
        for rows, columns in self.lines:
            drawn |= set(np.unique(labels[rows, columns]).tolist())
            reach = max(_LABEL * min(rows.stop - rows.start, columns.stop - columns.start), _LABEL_PX)
            near = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in (rows, columns))
            inside = np.bincount(labels[near].ravel(), minlength=len(whole))
            drawn |= set(np.flatnonzero((whole > 0) & (inside > _WITHIN * whole)).tolist())
        drawn -= {0}
        if not drawn:
            return labels, 0
        names = np.zeros(int(labels.max()) + 1, np.int32)
        kept = [n for n in range(1, len(names)) if n not in drawn]
        names[kept] = np.arange(1, len(kept) + 1)
        return names[labels], len(drawn)


def annotations_of(image: NDArray[np.generic]) -> Annotations:
    """What was drawn on an image (y, x)."""
    values = np.asarray(image, np.float64)
    top, bottom = _bar(values), _bar(values[::-1])
    rows = slice(top, len(values) - bottom)
    kept = values[rows]
    found = [*_lines(kept), *((r, c) for c, r in _lines(kept.T))]
    return Annotations(rows, tuple(found))


def _bar(values: NDArray[np.float64]) -> int:
    """How many rows from the first a bar with writing has; 0 where there is none."""
    paper, often = np.unique(values[0], return_counts=True)
    if often.max() < _PAPER * values.shape[1]:
        return 0
    part = (values == paper[often.argmax()]).mean(axis=1)
    other = np.flatnonzero(part < _WRITTEN)
    if not other.size or not _LEAST_ROWS <= other[0] <= _MOST * len(values):
        return 0
    return int(other[0]) if part[other[0] :].mean() < _ELSEWHERE else 0


def _lines(values: NDArray[np.float64]) -> list[tuple[slice, slice]]:
    """Rectangles of one value along x that stand out sharply."""
    from scipy.ndimage import find_objects, label

    even = np.zeros(values.shape, np.bool_)
    runs = np.lib.stride_tricks.sliding_window_view(values, _LINE_PX, axis=1) if values.shape[1] >= _LINE_PX else values
    flat = runs.max(axis=-1) == runs.min(axis=-1)
    for shift in range(_LINE_PX):
        even[:, shift : shift + flat.shape[1]] |= flat
    if not even.any() or even.mean() > _EVEN:
        return []
    low, high = np.percentile(values, (1.0, 99.0))
    found = []
    bodies, _ = label(even)
    for number, (rows, columns) in enumerate(find_objects(bodies), 1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        inside = values[rows, columns]
        one = np.ptp(inside) == 0.0 and (bodies[rows, columns] == number).all()
        beside = [values[r, columns] for r in (rows.start - 1, rows.stop) if 0 <= r < len(values)]
        sharp = np.abs(np.concatenate(beside) - inside[0, 0]) > _SHARP * (high - low) if beside else np.zeros(1)
        if one and width >= _LONGER * height and sharp.mean() > _AROUND:
            found.append((rows, columns))
    return found
