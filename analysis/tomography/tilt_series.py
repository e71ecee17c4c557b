"""One tilt series as it came: which frames are usable, intensities above the offset, and how they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.alignment import Alignment, align, shifted
from analysis.tomography.noise import Noise, darkest_level
from analysis.tomography.projections import Projections
from analysis.tomography.projector import Stack
from analysis.tomography.tilt_axis import believed_axis, turned
from drivers.frames import Frame, FrameHeader, SeriesEnd

FEWEST_TILTS = 15
_NARROWEST_DEG = 80.0
_FAINT = 0.08
"""Of the brightest: the sharp edge of a cube standing on it is no brighter, silica is fainter."""
_MARGIN_PX = 6
_SATURATED_PART = 0.002
"""Of a frame's pixels at the detector's highest value."""
_WORST_AGREEMENT = 0.15
"""Correlation with the re-projection, below the series' median."""


@dataclass(frozen=True)
class AlignedSeries:
    """The usable frames of one tilt series, aligned."""

    header: FrameHeader
    """Of the first usable frame."""
    tilts_deg: NDArray[np.float64]
    axis_deg: float
    """Of the tilt axis from x, counter-clockwise on the screen; 0 when it could not be told."""
    raw: Stack
    """(tilt, y, x) intensities above the offset, unaligned, the tilt axis along x."""
    alignment: Alignment
    aligned: Stack

    def projections(self, noise: Noise) -> Projections:
        """As the fits take them."""
        return Projections(self.raw, self.tilts_deg, self.alignment.shifts_px, noise, self.header.swept_deg)


def prepare(kept: list[Frame], axis_deg: float | None = None) -> tuple[AlignedSeries, list[str]]:
    """Take off the offset, turn the tilt axis onto x and align; tilts that fit no object are left out, with the reason.

    `axis_deg` is the axis when it is known, so that all states of a particle are turned alike.
    """
    tilts_deg = np.array([f.header.tilt_deg for f in kept])
    raw = intensity(kept)
    if axis_deg is None:
        axis_deg = believed_axis(raw, tilts_deg)
    raw = turned(raw, axis_deg)
    alignment = align(raw, tilts_deg)
    fits = alignment.agreement > np.median(alignment.agreement) - _WORST_AGREEMENT
    rejected = [f"{t:.1f} deg: jumped, it does not fit the other tilts" for t in tilts_deg[~fits]]
    if rejected and fits.sum() >= 3:
        raw, tilts_deg = raw[fits], tilts_deg[fits]
        alignment = align(raw, tilts_deg)
    aligned = shifted(raw, alignment.shifts_px)
    return AlignedSeries(kept[0].header, tilts_deg, axis_deg, raw, alignment, aligned), rejected


def usable(frames: list[Frame]) -> tuple[list[Frame], list[str]]:
    """Frames with signal, and why the others were left out."""
    kept: list[Frame] = []
    rejected: list[str] = []
    signal = []
    for frame in frames:
        image = np.asarray(frame.image, np.float32)
        signal.append(float(np.percentile(image, 99) - np.percentile(image, 1)) if np.isfinite(image).all() else np.nan)
    typical = float(np.nanmedian(signal)) if np.isfinite(signal).any() else 0.0
    for frame, s in zip(frames, signal, strict=True):
        tilt = f"{frame.header.tilt_deg:.1f} deg"
        if not np.isfinite(s):
            rejected.append(f"{tilt}: pixels that are not numbers")
        elif s < 0.3 * typical:
            rejected.append(f"{tilt}: blank")
        elif _saturated(frame) > _SATURATED_PART:
            rejected.append(f"{tilt}: saturated in {100 * _saturated(frame):.1f} % of its pixels")
        else:
            kept.append(frame)
    return kept, rejected


def _saturated(frame: Frame) -> float:
    """Part of a frame's pixels at the highest value that its numbers can hold."""
    image = np.asarray(frame.image)
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
    return slice(low, rows - low), slice(
        max(0, int(hit_x[0]) - _MARGIN_PX), min(columns, int(hit_x[-1]) + 1 + _MARGIN_PX)
    )


def problems_of(series: AlignedSeries, end: SeriesEnd) -> list[str]:
    """What is poor about a series, in words."""
    tilts_deg, kept = series.tilts_deg, len(series.tilts_deg)
    problems = []
    if kept < FEWEST_TILTS:
        problems.append(f"only {kept} usable tilts")
    elif kept < 0.9 * end.planned:
        problems.append(f"{end.planned - kept} of {end.planned} tilts are missing")
    if np.ptp(tilts_deg) < _NARROWEST_DEG:
        problems.append(f"the tilts span only {np.ptp(tilts_deg):.0f} deg")
    if series.alignment.residual_px > 0.5:
        problems.append(f"alignment still moved by {series.alignment.residual_px:.1f} px")
    return problems
