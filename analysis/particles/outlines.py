"""Outlines by thresholds: the baselines of Zhang et al., arXiv:2409.16637 (2024), and what makes them hold in noise.

Otsu's threshold splits an image's histogram; noise breaks what it finds. So `watershed` first evens the support,
smooths as much as the noise needs, and parts what touches along the ridges of the distance to the outline. A particle
that thins towards its rim, as a sphere does, is cut short by any threshold, and blur widens what is steep: from how far
two levels lie apart each particle's own rim follows.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.particles.flooding import flooded
from analysis.particles.image_noise import noise_std

Labels = NDArray[np.int32]
Method = Literal["otsu", "watershed", "learned"]
Denoised = Literal["no", "gaussian", "non-local means"]

_LEAST_PX = 50
_BRIGHT_BORDER = 0.8
"""Of an image's border: particles on a dark support never cover so much of it."""
_SMOOTHINGS_PX = (0.0, 0.7, 1.0, 1.4, 2.0, 2.8)
_CLEAR = 29.0
"""Contrast over noise that a threshold needs: smoothed until it is there."""
_FAINTEST, _FOUND_SIGMAS = 0.02, 5.0
"""Of the contrast, and of the noise: what is above both is looked at."""
_LOW, _NOISE_SIGMAS = 0.12, 3.5
"""The lower level, of a particle's own contrast; and above the noise by so many sigma."""
_BLUR_AT_LOW = 1.175
"""Standard normal deviate of `_LOW`: where a blurred step has fallen so far."""
_EVERY, _MUCH_SUPPORT = 4, 0.4
"""Pixels between those that the support is fitted to; of the field, what a curved one needs to be seen by."""
_DEEPEST = 0.25
"""Of ln depth: shallower dents do not part a body. Of two discs that overlap by 0.3 the neck is 0.34 shallower."""


def best_method() -> Method:
    """Learned outlines where onnxruntime is installed; else by levels and watershed."""
    try:
        import onnxruntime  # noqa: F401  # found is not enough: it must load
    except ImportError:
        return "watershed"
    return "learned"


def outlines(
    image: NDArray[np.generic], method: Method = "watershed", denoised: Denoised = "no", *, bright_field: bool = False
) -> Labels:
    """Labels (y, x) of particles from 1, 0 where there is none; they are bright, in a bright-field image dark.

    Raises
    ------
    ValueError
        For an image that is not of two dimensions, has no contrast, values that are no numbers, or particles of the
        other contrast.
    ConfigError
        For learned outlines where onnxruntime is not installed.
    """
    values = np.asarray(image, np.float64)
    if values.ndim != 2 or min(values.shape) < 16:
        raise ValueError(f"an image is (y, x) of at least 16 x 16 pixels, this one is {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("the image has values that are no numbers")
    if np.ptp(values) <= 0.0:
        raise ValueError("the image has the same value everywhere")
    values = (values - values.min()) / np.ptp(values)
    values = _denoised(1.0 - values if bright_field else values, denoised)
    coarse = values[::2, ::2]
    bright = coarse > _otsu(coarse)
    border = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    if bright.mean() > 0.5 and border.mean() > _BRIGHT_BORDER:
        other = "HAADF: drop --bright-field" if bright_field else "bright-field: give --bright-field"
        raise ValueError(f"most of the field would be one particle, up to its border; is the image {other}?")
    if method == "learned":
        from analysis.particles.learned import by_network

        return by_network(values, smoothed=denoised == "gaussian")
    return _by_otsu(values) if method == "otsu" else _by_watershed(values)


def _denoised(values: NDArray[np.float64], how: Denoised) -> NDArray[np.float64]:
    """As Zhang et al., arXiv:2409.16637 (2024) did: a Gaussian of sigma 5 in 5 x 5 pixels, or non-local means."""
    if how == "gaussian":
        from scipy.ndimage import gaussian_filter

        return np.asarray(gaussian_filter(values, 5.0, radius=2), np.float64)
    if how == "non-local means":
        from skimage.restoration import denoise_nl_means

        nl_means: Any = denoise_nl_means  # scikit-image ships no types
        std = noise_std(values)
        return np.asarray(nl_means(values, h=0.8 * std, sigma=std, fast_mode=True), np.float64)
    return values


def _by_otsu(values: NDArray[np.float64]) -> Labels:
    from scipy.ndimage import binary_fill_holes, label

    bodies, _ = label(binary_fill_holes(values > _otsu(values)))
    return _large(np.asarray(bodies, np.int32))


def _by_watershed(values: NDArray[np.float64]) -> Labels:
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter
    from skimage.morphology import local_maxima
    from skimage.segmentation import watershed

    tops: Any = local_maxima  # scikit-image ships no types
    parted: Any = watershed
    noise = noise_std(values)
    level = values - _support(gaussian_filter(values, 2.0))
    for sigma_px in _SMOOTHINGS_PX:
        smooth = np.asarray(gaussian_filter(level, sigma_px), np.float64)
        left = noise if sigma_px == 0.0 else min(noise, noise / (2.0 * np.sqrt(np.pi) * sigma_px))
        half = _otsu(smooth)
        dark = smooth[smooth <= half]
        # What denoising or a support's grain leaves is in neighbours alike; it shows below the middle.
        left = max(left, float(np.median(dark) - np.percentile(dark, 15.87)))
        contrast = float(np.median(smooth[smooth > half])) - float(np.median(dark))
        if contrast > _CLEAR * left:
            break
    if contrast < _NOISE_SIGMAS * left:
        return np.zeros(values.shape, np.int32)
    floor = float(np.median(dark))
    # By the noise, not by the brightest: a thin particle beside a thick one is a particle.
    inside = binary_fill_holes(smooth > floor + max(_FAINTEST * contrast, _FOUND_SIGMAS * left))
    depth = np.asarray(gaussian_filter(distance_transform_edt(inside), 1.0), np.float64)
    heights = np.log(depth + 1.0)
    # What rises by so much above the pass to anything higher is a body of its own.
    seeds, number = _numbered(tops(flooded(heights, _DEEPEST)) & inside)
    if not number:
        return np.zeros(values.shape, np.int32)
    bodies = np.asarray(parted(-depth, seeds, mask=inside), np.int32)
    return _large(_trimmed(bodies, smooth, floor, _NOISE_SIGMAS * left, sigma_px))


def _trimmed(labels: Labels, smooth: NDArray[np.float64], floor: float, least: float, sigma_px: float) -> Labels:
    """Each particle's outline where its own rim must be, by its areas at two levels."""
    from scipy.ndimage import find_objects

    found = np.zeros_like(labels)
    for number, box in enumerate(find_objects(labels), 1):
        if box is None:
            continue
        body, here = labels[box] == number, smooth[box]
        values = np.sort(here[body])[::-1]
        top = float(np.median(values[: max(1, values.size // 4)]))  # of the thickest part: a coat may be as wide again
        values = values[values > floor + max(_LOW * (top - floor), least)]
        half_px = float(np.sqrt(np.sum(values > floor + 0.5 * (top - floor)) / np.pi))
        low_px = float(np.sqrt(values.size / np.pi))
        blur_px = _BLUR_AT_LOW * sigma_px
        step = min(1.0, blur_px / max(low_px - half_px, 1e-6))
        rim_px = low_px - blur_px * step**2.5
        keep = min(values.size, max(1, round(np.pi * rim_px**2)))
        found[box][body & (here >= values[keep - 1])] = number
    return found


def _support(smooth: NDArray[np.float64]) -> NDArray[np.float64]:
    """A quadratic surface, or a plane where little of it is seen, through what is no particle: what is not above it."""

    def terms(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([np.ones_like(y), y, x, y * y, x * y, x * x], axis=-1)

    y, x = np.indices(smooth.shape) / max(smooth.shape)
    coarse = slice(None, None, _EVERY), slice(None, None, _EVERY)
    seen, design = smooth[coarse].ravel(), terms(y[coarse], x[coarse]).reshape(-1, 6)
    kept = seen <= _otsu(seen)
    columns = 6 if kept.mean() > _MUCH_SUPPORT else 3
    surface = np.zeros(6)
    for _ in range(8):
        surface[:columns] = np.linalg.lstsq(design[kept, :columns], seen[kept], rcond=None)[0]
        miss = seen - design @ surface
        spread = 1.4826 * float(np.median(np.abs(miss[kept] - np.median(miss[kept]))))
        kept = miss < 2.5 * max(spread, 1e-6)
    return np.asarray(terms(y, x) @ surface, np.float64)


def _otsu(values: NDArray[np.float64]) -> float:
    from skimage.filters import threshold_otsu

    threshold: Any = threshold_otsu
    return float(threshold(values))


def _numbered(mask: NDArray[np.bool_]) -> tuple[Labels, int]:
    from scipy.ndimage import label

    labels, number = label(mask)
    return np.asarray(labels, np.int32), int(number)


def _large(labels: Labels) -> Labels:
    """Without specks, numbered anew from 1."""
    sizes = np.bincount(labels.ravel())
    keep = np.flatnonzero(sizes >= _LEAST_PX)
    keep = keep[keep > 0]
    names = np.zeros(len(sizes), np.int32)
    names[keep] = np.arange(1, len(keep) + 1)
    return names[labels]
