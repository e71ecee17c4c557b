"""What was drawn on an image after it was recorded: bars along its edges; words, scale bars and rulers within it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.particles.label_bars import recorded_field
from analysis.particles.writing import Drawings, Place, drawn_in

_LABEL, _LABEL_PX = 4, (20, 40)
"""Of a line's thickness, at least and at most in pixels: how far from it its label reaches."""
_WITHIN, _IN_WORD = 0.95, 0.5
"""Of a body, in the place of a line's label or in a word, to be taken for a part of it."""


@dataclass(frozen=True)
class Annotations:
    """What of an image was drawn on it."""

    field: Place
    """Rows and columns that were recorded."""
    drawn: Drawings
    """Within these."""

    def without_labels(self, labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
        """Labels (y, x) of the field without bodies that are drawn, numbered anew, and how many those were."""
        drawn: set[int] = set()
        whole = np.bincount(labels.ravel())

        def inside(place: Place, part: float) -> set[int]:
            here = np.bincount(labels[place].ravel(), minlength=len(whole))
            return set(np.flatnonzero((whole > 0) & (here > part * whole)).tolist())

        for place in (*self.drawn.lines, *self.drawn.plates):
            drawn |= set(np.unique(labels[place]).tolist())
        for rows, columns in self.drawn.lines:
            thick = min(rows.stop - rows.start, columns.stop - columns.start)
            reach = int(np.clip(_LABEL * thick, *_LABEL_PX))
            drawn |= inside((_wider(rows, reach), _wider(columns, reach)), _WITHIN)
        for word in self.drawn.words:
            drawn |= inside(word, _IN_WORD)
        drawn -= {0}
        if not drawn:
            return labels, 0
        names = np.zeros(len(whole), np.int32)
        kept = [n for n in range(1, len(names)) if n not in drawn]
        names[kept] = np.arange(1, len(kept) + 1)
        return names[labels], len(drawn)


def annotations_of(image: NDArray[np.generic]) -> Annotations:
    """What was drawn on an image (y, x)."""
    values = np.asarray(image, np.float64)
    field = recorded_field(values)
    return Annotations(field, drawn_in(values[field]))


def _wider(span: slice, reach: int) -> slice:
    return slice(max(0, span.start - reach), span.stop + reach)
