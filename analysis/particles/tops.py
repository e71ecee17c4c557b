"""Bright tops: each small particle of a crowd has one, however many of them an outline takes together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.particles.flooding import flooded
from analysis.particles.image_noise import as_noise

Labels = NDArray[np.int32]

_SMOOTHINGS_PX = (0.5, 0.7, 1.0)
_PROMINENT, _NOISE_SIGMAS = 0.15, 5.0
"""How far a top rises above the pass to any higher one: part of the contrast, and sigmas of the noise that smoothing
leaves. Smoothed no more than the noise needs: tops of small particles are close together."""
_TOLD_PX = 300
"""Of a label that tells its noise."""
_SMALL_PX, _MANY, _ALIKE = 20.0, 6, 0.85
"""Across, and tops: particles of a crowd are smaller and more, or fewer, but then each has so much of the area of those
that are alone. A hollow cube has four tops of its own."""
_AS_LARGE = 2.5
"""How many times larger or smaller one that was missed may be than others."""


def tops_of(values: NDArray[np.float64], labels: Labels) -> Labels:
    """Tops (y, x) in an image with bright particles, numbered from 1; labels tell where any are, or are empty.

    Of an empty field there is none but by chance.
    """
    from scipy.ndimage import gaussian_filter, label

    inside = labels > 0
    if inside.all():
        return np.zeros(values.shape, np.int32)
    if inside.any():
        contrast = float(np.median(values[inside]) - np.median(values[~inside]))
    else:
        contrast = float(np.subtract(*np.percentile(values, (99.5, 50.0))))
    if contrast <= 0.0:
        return np.zeros(values.shape, np.int32)
    noise = _noise_std(values, labels)
    for sigma_px in _SMOOTHINGS_PX:
        left = noise * _left_of_noise(sigma_px)
        if _NOISE_SIGMAS * left <= _PROMINENT * contrast:
            break
    smooth = np.asarray(gaussian_filter(values, sigma_px), np.float64)
    height = max(_PROMINENT * contrast, _NOISE_SIGMAS * left)
    found, _ = label(smooth - flooded(smooth, height) >= 0.999 * height, np.ones((3, 3)))
    return np.asarray(found, np.int32)


def crowds(labels: Labels, tops: Labels) -> NDArray[np.int64]:
    """How many small particles each label takes together, by its tops: 1 where it is one; index 0 is no label."""
    areas = np.bincount(labels.ravel())
    of_each = _tops_in_each(labels, tops, len(areas))
    of_one = areas / np.maximum(of_each, 1)
    crowd = of_each >= _MANY
    single = areas[1:][of_each[1:] == 1]
    if single.size > max(_MANY, 0.5 * np.count_nonzero(areas[1:])):
        crowd |= (of_each > 1) & (of_one > _ALIKE * np.median(single))
    found = np.where(crowd & (of_one < 0.25 * np.pi * _SMALL_PX**2), of_each, np.minimum(areas, 1))
    found[0] = 0
    return np.asarray(found, np.int64)


def parted(values: NDArray[np.float64], labels: Labels, tops: Labels) -> Labels:
    """Labels in which each small particle of a crowd has one of its own."""
    from scipy.ndimage import gaussian_filter
    from skimage.segmentation import watershed

    crowded = np.flatnonzero(crowds(labels, tops) > 1)
    if not crowded.size:
        return labels
    here = np.isin(labels, crowded)
    grown: Any = watershed
    found = labels.copy()
    smooth = gaussian_filter(values, _SMOOTHINGS_PX[0])
    found[here] = labels.max() + grown(-smooth, np.where(here, tops, 0), mask=here)[here]
    return np.asarray(found, np.int32)


def missed(labels: Labels, tops: Labels) -> int:
    """How many tops lie outside all labels, in an image of small particles; in others they may be anything."""
    return int(_tops_in_each(labels, tops, 1)[0]) if 0.0 < _typical_px2(labels) < 0.25 * np.pi * _SMALL_PX**2 else 0


def with_missed(values: NDArray[np.float64], labels: Labels, tops: Labels) -> Labels:
    """Labels, and new ones where tops outside them are as bright and as large: inside a dense crowd.

    There the support is not to be seen, against which particles are told.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.segmentation import watershed

    if not missed(labels, tops):
        return labels
    grown: Any = watershed
    smooth = np.asarray(gaussian_filter(values, _SMOOTHINGS_PX[0]), np.float64)
    bright, dark = (float(np.median(smooth[part])) for part in (labels > 0, labels == 0))
    lit = (labels == 0) & (smooth > 0.5 * (bright + dark))
    new = np.asarray(grown(-smooth, np.where(lit, tops, 0), mask=lit), np.int32)
    areas, typical = np.bincount(new.ravel()), _typical_px2(labels)
    unlike = (areas < typical / _AS_LARGE) | (areas > typical * _AS_LARGE)
    unlike[0] = True
    return np.where(unlike[new], labels, labels.max() + new).astype(np.int32)


def _typical_px2(labels: Labels) -> float:
    areas = np.bincount(labels.ravel())[1:]
    return float(np.median(areas[areas > 0])) if areas.any() else 0.0


def _noise_std(values: NDArray[np.float64], labels: Labels) -> float:
    """The largest of that in any label of some size, saturated pixels apart, and of that beside them, with outliers."""
    from scipy.ndimage import binary_dilation

    off = np.abs(as_noise(values))
    beside = off[~binary_dilation(labels > 0, iterations=2)[1:-1, 1:-1]]
    held = np.where(off > 0.0, labels[1:-1, 1:-1], 0)
    areas = np.bincount(held.ravel())
    sized = areas >= max(1, min(_TOLD_PX, areas[1:].max(initial=0)))
    sized[0] = False
    there = sized[held]
    few = held[there].astype(np.min_scalar_type(areas.size))  # of 16 bits and less are sorted by radix
    in_order = np.argsort(few, kind="stable")
    of_each = [float(np.median(p)) for p in np.split(off[there][in_order], np.cumsum(areas[sized])[:-1]) if p.size]
    return max(1.4826 * max(of_each, default=0.0), float(np.sqrt(np.mean(beside**2))) if beside.size else 0.0)


def _tops_in_each(labels: Labels, tops: Labels, length: int) -> NDArray[np.int64]:
    _, first = np.unique(tops, return_index=True)
    owners = labels.ravel()[first[1:]]
    return np.asarray(np.bincount(owners, minlength=length), np.int64)


def _left_of_noise(sigma_px: float) -> float:
    """Of white noise, after a Gaussian."""
    from scipy.ndimage import gaussian_filter1d

    kernel = gaussian_filter1d(np.eye(1, 25, 12)[0], sigma_px)
    return float(np.sum(kernel**2))
