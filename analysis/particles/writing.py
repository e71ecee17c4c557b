"""Words, ruled lines and plates that a program has drawn into an image.

Recorded pixels have noise; drawn ones have one value over many pixels, and sharp edges. What is saturated also has one
value; but it does not stand on a common baseline, in strokes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Place = tuple[slice, slice]
"""Rows and columns."""
Mask = NDArray[np.bool_]

_OFTEN, _OFTENER, _BESIDE, _INKS = 12, 5, 11, 8
"""Pixels of a value that may be ink; how many times as many as of the values around it, of so many; the most inks."""
_EVEN = 0.1
"""Of the pixels that are neither the brightest nor the darkest, in even surroundings: with more there is no noise."""
_SHARP, _AROUND, _SAME = 0.25, 0.8, 0.2
"""Of the image's contrast: what something drawn differs by from what is beside it, nearly all around. Of that: what
ink may differ by from itself, after lossy compression."""
_LINE_PX, _LONGER = 16, 4
"""A ruled line: its least length, and how much longer than thick it is."""
_PLATE_PX, _MOST_PLATE, _FILLED, _BARE = 8, 0.25, 0.98, 0.95
"""A plate: its least side, its largest part of the image, what it fills of its bounds with the writing on it, and what
of it is bare where there is none."""
_LETTER_PX, _MOST_HEIGHT, _WIDEST = 5, 0.2, 4.0
"""A letter: its least height, its largest as part of the image, its width over its height."""
_INKED, _RIM, _CLEAR = 0.15, 0.65, 0.6
"""Of a letter's pixels, those of the ink; the rest is its smoothed rim, up to so much of the way to the support; and
how much around it must be unlike it: it may lie over a particle."""
_LETTERS, _MOST_PIECES, _STROKES = 3, 500, 0.8
"""In a word, at least; pieces of one value that are no letters any more; what strokes fill of the hull around them."""
_NEAR = 2.0
"""Of a word's height: how far from it a thick bar belongs to it."""


@dataclass(frozen=True)
class Drawings:
    """What was drawn into an image."""

    lines: tuple[Place, ...] = ()
    """Ruled lines and scale bars, also thick ones."""
    plates: tuple[Place, ...] = ()
    """Rectangles with writing on them."""
    words: tuple[Place, ...] = ()


def drawn_in(values: NDArray[np.float64]) -> Drawings:
    """What was drawn into an image (y, x); nothing where it has no noise itself, so that nothing can be told."""
    if _is_even(values):
        return Drawings()
    low, high = np.percentile(values, (1.0, 99.0))
    least = _SHARP * float(high - low)
    lines: list[Place] = []
    words: list[Place] = []
    plates: list[Place] = []
    blocks: list[Place] = []
    for ink in _inks(values):
        written = np.abs(values - ink) <= _SAME * least
        ruled = [*_lines(values, written, ink, least), *((r, c) for c, r in _lines(values.T, written.T, ink, least))]
        lines += ruled
        words += _words(values, ink, ruled)
        for block, bare in _blocks(values, written, ink, least):
            (blocks if bare else plates).append(block)
    lines += [block for block in blocks if any(_belongs(block, word) for word in words)]
    return Drawings(tuple(lines), tuple(plates), tuple(words))


def _is_even(values: NDArray[np.float64]) -> bool:
    """Whether the image has no noise: what is cut off at black or white has none in any image."""
    from scipy.ndimage import maximum_filter, minimum_filter

    between = (values > values.min()) & (values < values.max())
    even = between & (maximum_filter(values, 3) == minimum_filter(values, 3))
    return bool(between.any()) and float(even[between].mean()) >= _EVEN


def _inks(values: NDArray[np.float64]) -> list[float]:
    """Values that far more pixels have than have those around it, the most frequent first."""
    from scipy.ndimage import median_filter

    found, often = np.unique(values, return_counts=True)
    usual = median_filter(often, _BESIDE, mode="mirror")
    frequent = np.flatnonzero((often >= _OFTEN) & (often >= _OFTENER * usual))
    return [float(found[n]) for n in frequent[np.argsort(-often[frequent])][:_INKS]]


def _lines(values: NDArray[np.float64], written: Mask, ink: float, least: float) -> list[Place]:
    """Rectangles of ink along x that stand out sharply above and below."""
    from scipy.ndimage import binary_opening

    found = []
    for piece, (rows, columns) in _pieces(binary_opening(written, np.ones((1, _LINE_PX), np.bool_))):
        height, width = piece.shape
        beside = [values[r, columns] for r in (rows.start - 1, rows.stop) if 0 <= r < len(values)]
        sharp = np.abs(np.concatenate(beside) - ink) > least if beside else np.zeros(1)
        if piece.mean() >= _FILLED and width >= _LONGER * height and sharp.mean() > _AROUND:
            found.append((rows, columns))
    return found


def _blocks(values: NDArray[np.float64], written: Mask, ink: float, least: float) -> list[tuple[Place, bool]]:
    """Rectangles of ink that stand out sharply on all sides, and whether they are bare of writing."""
    from scipy.ndimage import binary_fill_holes, binary_opening

    found = []
    for piece, place in _pieces(binary_opening(written, np.ones((3, 3), np.bool_))):
        whole = binary_fill_holes(piece)
        if min(piece.shape) < _PLATE_PX or piece.size > _MOST_PLATE * values.size or whole.mean() < _FILLED:
            continue
        inner, (rows, columns) = _around(place, values.shape, 2)
        rim = np.ones((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
        rim[inner] = False
        sharp = np.abs(values[rows, columns][rim] - ink) > least
        if sharp.size and sharp.mean() > _AROUND:
            found.append((place, bool(piece.mean() > _BARE)))
    return found


def _words(values: NDArray[np.float64], ink: float, ruled: list[Place]) -> list[Place]:
    """Rows of letters of that ink, with what belongs to them above and below."""
    from scipy.ndimage import binary_dilation
    from scipy.sparse.csgraph import connected_components

    written = values == ink
    for place in ruled:
        written[place] = False
    off = np.abs(values - ink) / max(abs(ink - float(np.median(values))), 1e-12)
    like = binary_dilation(written, np.ones((5, 5), np.bool_)) & (off < _RIM)
    letters, strokes = _letters(like, written, off > 0.5)
    if len(letters) < _LETTERS:
        return []
    top, bottom, left, right = np.array([(r.start, r.stop, c.start, c.stop) for r, c in letters]).T
    height = bottom - top
    beside = np.minimum(bottom, bottom[:, None]) - np.maximum(top, top[:, None])
    gap = np.maximum(left, left[:, None]) - np.minimum(right, right[:, None])
    low, high = np.minimum(height, height[:, None]), np.maximum(height, height[:, None])
    _, names = connected_components((beside >= 0.5 * low) & (gap <= 2 * high) & (high <= 2.5 * low), directed=False)
    found, in_words = [], 0
    for name in range(int(names.max()) + 1):
        own = names == name
        if not _is_word(bottom[own], height[own], strokes[own]):
            continue
        in_words += int(strokes[own].sum())
        along = int(height[own].max())  # a faint letter more at either end, and what hangs below the line
        above = 1 + along // 4
        rows = slice(max(0, int(top[own].min()) - above), int(bottom[own].max()) + above)
        found.append((rows, slice(max(0, int(left[own].min()) - along), int(right[own].max()) + along)))
    # Where most of what has this value and is no blob stands in no row, it is saturated.
    return found if in_words > 0.5 * strokes.sum() else []


def _is_word(feet: NDArray[np.int64], heights: NDArray[np.int64], strokes: Mask) -> bool:
    """Whether letters stand on one line, two of them being equally high, and most in strokes."""
    rough = 1 + int(heights.max()) // 16
    on_line = np.abs(feet - np.median(feet)) <= rough
    alike = np.diff(np.sort(heights[on_line])) <= rough
    return bool(on_line.sum() >= max(_LETTERS, 0.5 * len(feet)) and alike.any() and strokes.mean() >= 0.5)


def _letters(like: Mask, written: Mask, unlike: Mask) -> tuple[list[Place], Mask]:
    """Where pieces are that may be letters, and which of them are strokes instead of blobs."""
    from scipy.ndimage import binary_dilation
    from skimage.morphology import convex_hull_image

    hull: Any = convex_hull_image  # scikit-image ships no types
    found, strokes = [], []
    for piece, place in _pieces(like):
        height, width = piece.shape
        if not _LETTER_PX <= height <= _MOST_HEIGHT * len(like) or width > _WIDEST * height:
            continue
        _, (rows, columns) = _around(place, like.shape, 3)
        here = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
        here[_around(place, like.shape, 3)[0]] = piece
        near, nearer = (binary_dilation(here, np.ones((side, side), np.bool_)) for side in (5, 3))
        rim = near & ~nearer & ~like[rows, columns]
        inked = written[place][piece].mean()
        if inked < _INKED or not rim.any() or unlike[rows, columns][rim].mean() < _CLEAR:
            continue
        found.append(place)
        strokes.append(piece.mean() < 0.95 and piece.sum() < _STROKES * hull(piece).sum())
    return found, np.array(strokes, np.bool_)


def _pieces(mask: Mask) -> Iterator[tuple[Mask, Place]]:
    """Each piece that hangs together, also by corners, in its bounds; none where there are too many for any drawing."""
    from scipy.ndimage import find_objects, label

    bodies, number = label(mask, np.ones((3, 3)))
    for name, bounds in enumerate(find_objects(bodies) if number <= _MOST_PIECES else (), 1):
        place = (bounds[0], bounds[1])
        yield bodies[place] == name, place


def _around(place: Place, shape: tuple[int, ...], more: int) -> tuple[Place, Place]:
    """Bounds so many pixels wider, and where in them a place is: that first."""
    wide = tuple(slice(max(0, s.start - more), min(n, s.stop + more)) for s, n in zip(place, shape, strict=True))
    inner = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(place, wide, strict=True))
    return (inner[0], inner[1]), (wide[0], wide[1])


def _belongs(block: Place, word: Place) -> bool:
    """Whether a block is near a word for the word's height."""
    gaps = (max(a.start, b.start) - min(a.stop, b.stop) for a, b in zip(block, word, strict=True))
    return all(gap < _NEAR * (word[0].stop - word[0].start) for gap in gaps)
