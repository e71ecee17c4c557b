"""How good a tilt series is, in the analysis' own words, and which of its images can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alloyscope.particle_state import frames_of
from alloyscope.quantity import quality_of

if TYPE_CHECKING:
    from analysis.tomography.alignment import Alignment


def usable_images(images: NDArray[Any], tilts_deg: NDArray[np.float64]) -> tuple[NDArray[np.bool_], list[str]]:
    """Which images (tilt,) have signal and are not saturated, and why the others are left out."""
    from analysis.tomography.tilt_series import usable_images as usable

    return usable(list(images), tilts_deg.tolist())


def series_quality(
    images: NDArray[Any],
    tilts_deg: NDArray[np.float64],
    used: NDArray[np.bool_],
    rejected: list[str],
    alignment: Alignment | None = None,
) -> str:
    """``good``, or what is poor about a tilt series; without an alignment it came aligned."""
    from analysis.tomography.alignment import Alignment
    from analysis.tomography.tilt_series import AlignedSeries, problems_of

    count = int(used.sum())
    if count == 0:
        return quality_of(["only 0 usable tilts", *rejected])
    frames, end = frames_of(images, tilts_deg, pixel_nm=1.0)
    none = Alignment(np.zeros((count, 2)), True, True, 0.0, np.ones(count))
    stack = np.asarray(images[used], np.float32)
    series = AlignedSeries(tilts_deg[used], 0.0, stack, alignment or none, stack, frames[0].header)
    return quality_of([*problems_of(series, end), *rejected])
