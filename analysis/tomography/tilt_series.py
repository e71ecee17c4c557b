"""One tilt series as it came: which frames are usable, intensities above the offset, and how they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.alignment import Alignment, align, shifted
from analysis.tomography.clipping import Clipping, clipping_of
from analysis.tomography.noise import Noise, darkest_level
from analysis.tomography.projections import Projections
from analysis.tomography.projector import Stack, in_vectors
from analysis.tomography.tilt_axis import believed_axis, turned
from analysis.tomography.total_signal import diffracting, entered
from drivers.frames import Frame, FrameHeader, SeriesEnd

FEWEST_TILTS = 15
_NARROWEST_DEG = 80.0
_FAINT = 0.08
"""Of the brightest: the sharp edge of a cube standing on it is no brighter, silica is fainter."""
_MARGIN_PX = 6
_SATURATED_PART = 0.002
"""Of a frame's pixels at the detector's highest value."""
_MANY = 0.15
"""Of the tilts: more that diffract than a particle has zone axes."""
_WORST_AGREEMENT = 0.15
"""Correlation with the re-projection, below the series' median."""


@dataclass(frozen=True)
class AlignedStack:
    """The images of one tilt series that fit together, aligned."""

    tilts_deg: NDArray[np.float64]
    axis_deg: float
    """Of the tilt axis from x, counter-clockwise on the screen; 0 when it could not be told."""
    raw: Stack
    """(tilt, y, x) intensities above the offset, unaligned, the tilt axis along x."""
    alignment: Alignment
    aligned: Stack


@dataclass(frozen=True)
class AlignedSeries(AlignedStack):
    """The usable frames of one tilt series, aligned."""

    header: FrameHeader
    """Of the first usable frame."""
    clipping: Clipping | None = None
    ceiling: float | None = None
    """Intensity above the offset at which the detector clips."""
    crowded: int = 0
    """Tilts left out since something else had entered the field."""
    diffracting: int = 0
    """Tilts left out since the crystal diffracts there."""

    def projections(self, noise: Noise) -> Projections:
        """As the fits take them."""
        shifts_px, swept_deg = self.alignment.shifts_px, self.header.swept_deg
        return Projections(self.raw, self.tilts_deg, shifts_px, noise, swept_deg, self.ceiling)


def prepare(kept: list[Frame], axis_deg: float | None = None) -> tuple[AlignedSeries, list[str]]:
    """Take off the offset, turn the tilt axis onto x and align; tilts that fit no object are left out, with the reason.

    `axis_deg` is the axis when it is known, so that all states of a particle are turned alike.
    """
    above, tilts_deg = intensity(kept), np.array([f.header.tilt_deg for f in kept])
    sums = above.sum(axis=(1, 2), dtype=np.float64)
    more = _unless_too_many(entered(sums, tilts_deg))
    crowded = [f"{t:.1f} deg: something else has entered the field" for t in tilts_deg[more]]
    apart = np.zeros(len(sums))
    apart[~more] = diffracting(sums[~more], tilts_deg[~more])
    single = _unless_too_many(more | (apart != 0.0)) & ~more
    uneven = [
        f"{t:.1f} deg: {abs(100 * a):.0f} % {'brighter' if a > 0 else 'darker'} than the tilts around it, as where a "
        "crystal diffracts"
        for t, a in zip(tilts_deg[single], apart[single], strict=True)
    ]
    clipping = clipping_of([f.image for f in kept])
    offset = float(kept[0].image[0, 0]) - float(above[0, 0, 0])
    ceiling = None if clipping is None else clipping.counts - offset
    alike = ~(more | single)
    found, rejected = aligned_stack(above[alike], tilts_deg[alike], axis_deg)
    series = AlignedSeries(
        **vars(found),
        header=kept[0].header,
        clipping=clipping,
        ceiling=ceiling,
        crowded=len(crowded),
        diffracting=len(uneven),
    )
    return series, crowded + uneven + rejected


def _unless_too_many(left_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tilts to leave out, or none where too few would stay."""
    return left_out & bool((~left_out).sum() >= FEWEST_TILTS)


def aligned_stack(
    raw: Stack, tilts_deg: NDArray[np.float64], axis_deg: float | None = None
) -> tuple[AlignedStack, list[str]]:
    """What `prepare` makes of frames, of their images above the offset (tilt, y, x)."""
    lying_deg = believed_axis(raw, tilts_deg) if axis_deg is None else axis_deg
    along_x = turned(raw, lying_deg)
    alignment = align(along_x, tilts_deg)
    fits = alignment.agreement > np.median(alignment.agreement) - _WORST_AGREEMENT
    rejected = [f"{t:.1f} deg: jumped, it does not fit the other tilts" for t in tilts_deg[~fits]]
    if rejected and fits.sum() >= 3:
        raw, tilts_deg = raw[fits], tilts_deg[fits]
        lying_deg = believed_axis(raw, tilts_deg) if axis_deg is None else axis_deg
        along_x = turned(raw, lying_deg)
        alignment = align(along_x, tilts_deg)
    aligned = shifted(along_x, alignment.shifts_px)
    return AlignedStack(tilts_deg, lying_deg, along_x, alignment, aligned), rejected


def usable(frames: list[Frame]) -> tuple[list[Frame], list[str]]:
    """Frames with signal, and why the others were left out."""
    used, rejected = usable_images([f.image for f in frames], [f.header.tilt_deg for f in frames])
    return [f for f, good in zip(frames, used, strict=True) if good], rejected


def usable_images(
    images: Sequence[NDArray[np.generic]], tilts_deg: Sequence[float]
) -> tuple[NDArray[np.bool_], list[str]]:
    """Which images (y, x) have signal and are not saturated, and why the others are left out."""
    rejected: list[str] = []
    signal, used = [], np.zeros(len(images), bool)
    for counts in images:
        image = np.asarray(counts, np.float32)
        signal.append(float(np.percentile(image, 99) - np.percentile(image, 1)) if np.isfinite(image).all() else np.nan)
    typical = float(np.nanmedian(signal)) if np.isfinite(signal).any() else 0.0
    for n, (counts, tilt_deg, s) in enumerate(zip(images, tilts_deg, signal, strict=True)):
        tilt = f"{tilt_deg:.1f} deg"
        if not np.isfinite(s):
            rejected.append(f"{tilt}: pixels that are not numbers")
        elif s < 0.3 * typical:
            rejected.append(f"{tilt}: blank")
        elif _saturated(counts) > _SATURATED_PART:
            rejected.append(f"{tilt}: saturated in {100 * _saturated(counts):.1f} % of its pixels")
        else:
            used[n] = True
    return used, rejected


def _saturated(image: NDArray[Any]) -> float:
    """Part of an image's pixels at the highest value that its numbers can hold."""
    if not np.issubdtype(image.dtype, np.integer):
        return 0.0
    return float(np.mean(image >= np.iinfo(image.dtype).max))


def intensity(frames: list[Frame]) -> Stack:
    """Counts above the detector's offset, (tilt, y, x)."""
    stack = np.stack([np.asarray(f.image, np.float32) for f in frames])
    offset = frames[0].header.offset
    return stack - np.float32(darkest_level(stack) if offset is None else offset)


def crop_around_particle(aligned: Stack) -> tuple[slice, slice]:
    """The rows (symmetric about the axis) and columns that hold the particle at every tilt."""
    from scipy.ndimage import gaussian_filter

    brightest = gaussian_filter(aligned, 1.0, axes=(1, 2)).max(axis=0)
    bright = brightest > _FAINT * np.percentile(brightest, 99)
    rows, columns = aligned.shape[1:]
    hit_y, hit_x = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    reach = max(rows / 2 - hit_y[0], hit_y[-1] + 1 - rows / 2) + _MARGIN_PX
    low = max(0, int(np.floor(rows / 2 - reach)))
    beside = slice(max(0, int(hit_x[0]) - _MARGIN_PX), min(columns, int(hit_x[-1]) + 1 + _MARGIN_PX))
    return slice(low, rows - low), in_vectors(beside, columns)


def problems_of(series: AlignedSeries, end: SeriesEnd) -> list[str]:
    """What is poor about a series, in words."""
    tilts_deg, kept = series.tilts_deg, len(series.tilts_deg)
    problems = []
    if kept < FEWEST_TILTS:
        problems.append(f"only {kept} usable tilts")
    elif kept + series.diffracting < 0.9 * end.planned:
        problems.append(f"{end.planned - kept - series.diffracting} of {end.planned} tilts are missing")
    if series.diffracting > _MANY * end.planned:
        problems.append(f"the crystal diffracts at {series.diffracting} tilts, or the beam flickers: they are left out")
    if series.crowded:
        problems.append(f"something else enters the field at high tilt: {series.crowded} tilts are left out")
    if np.ptp(tilts_deg) < _NARROWEST_DEG:
        problems.append(f"the tilts span only {np.ptp(tilts_deg):.0f} deg")
    if series.clipping is not None:
        problems.append(str(series.clipping))
    if series.alignment.residual_px > 0.5:
        problems.append(f"alignment still moved by {series.alignment.residual_px:.1f} px")
    return problems
