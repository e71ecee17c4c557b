"""Bring the projections of a tilt series onto one tilt axis.

Three steps, each finer than the last:

1. cross-correlation of neighbouring tilts, outward from the lowest tilt (Chen et al., Part. Part. Syst. Charact. 2023);
2. what projection conserves: along the axis (x) the profile summed over y is the same at every tilt; across it (y)
   the centre of mass of an isolated object describes ``y cos t + z sin t``, so putting it on the centre row puts the
   object's centre of mass on the axis;
3. projection matching: each projection against the re-projection of a quick reconstruction of all of them.

A shift (y, x) in px is what must be added to a projection's content to bring it into place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import get_num_threads
from numpy.typing import NDArray

from analysis.tomography.device import projector_on
from analysis.tomography.projector import Stack
from analysis.tomography.reconstruction import reconstruct

_UPSAMPLING = 20
_MATCHING_ITERATIONS = 6
_DARK_BORDER = 0.15
_MATCHED_PX = 0.1
_PIXELS_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class Alignment:
    """Shifts (tilt, 2) in px as (y, x), and what they rest on."""

    shifts_px: NDArray[np.float64]
    isolated_y: bool
    """The object ends inside the field across the axis: its centre of mass was used."""
    isolated_x: bool
    residual_px: float
    """Median size of the last correction by projection matching."""
    agreement: NDArray[np.float64]
    """(tilt,) correlation of each projection with the re-projection of all, 0..1."""


def align(stack: Stack, tilts_deg: NDArray[np.float64], *, matching_rounds: int = 2) -> Alignment:
    """Find the shifts that align a tilt series (tilt, y, x) with zero background."""
    smooth = smoothed(stack)
    level = float(np.percentile(smooth, 99.5))
    dark = _DARK_BORDER * level
    isolated_y = _border(smooth, axis=1) < dark
    isolated_x = _border(smooth, axis=2) < dark
    shifts = neighbour_shifts(smooth, tilts_deg)
    weight = np.where(smooth > dark, smooth, 0.0)
    if isolated_y:
        shifts[:, 0] = centre_on_axis(weight, axis=1)
    if isolated_x:
        shifts[:, 1] = centre_on_axis(weight, axis=2)
    else:
        shifts[:, 1] = match_profiles(smooth, shifts[:, 1])
    residual, agreement = 0.0, np.ones(len(stack))
    for _ in range(matching_rounds):
        correction, agreement = _match_projections(shifted(stack, shifts), tilts_deg)
        shifts += correction
        residual = float(np.median(np.hypot(*correction.T)))
        if residual < _MATCHED_PX:
            break
    return Alignment(shifts, bool(isolated_y), bool(isolated_x), residual, agreement)


def shifted(stack: Stack, shifts_px: NDArray[np.float64]) -> Stack:
    """Move each projection's content by its shift (y, x), in Fourier space so that noise stays white."""
    from scipy.fft import irfft2, rfft2

    pad = int(np.ceil(np.abs(shifts_px).max(initial=0.0))) + 4
    rows, columns = stack.shape[1:]
    out = np.empty_like(stack, dtype=np.float32)
    along_y, along_x = (_waves_moved(n + 2 * pad, s) for n, s in zip((rows, columns), shifts_px.T, strict=True))
    along_x = along_x[:, : columns // 2 + pad + 1]
    at_once, threads = max(1, _PIXELS_AT_ONCE // ((rows + 2 * pad) * (columns + 2 * pad))), get_num_threads()
    for i in range(0, len(stack), at_once):
        some = slice(i, i + at_once)
        wide = np.pad(np.asarray(stack[some], np.float32), ((0, 0), (pad, pad), (pad, pad)), mode="edge")
        waves = rfft2(wide, workers=threads) * along_y[some, :, None] * along_x[some, None, :]
        out[some] = irfft2(waves, wide.shape[1:], workers=threads)[:, pad : pad + rows, pad : pad + columns]
    return out


def _waves_moved(n: int, shifts_px: NDArray[np.float64]) -> NDArray[np.complex64]:
    """(shift, wave) what each of n waves becomes; the shortest, which has no direction, stays real."""
    moved = np.exp(-2j * np.pi * np.fft.fftfreq(n) * shifts_px[:, None])
    if n % 2 == 0:
        moved[:, n // 2] = moved[:, n // 2].real
    return np.asarray(moved, np.complex64)


def within_field(shape: tuple[int, ...], shifts_px: NDArray[np.float64]) -> Stack:
    """1 where a shifted stack (tilt, y, x) shows what was recorded, 0 where it was filled from beyond the field."""
    _, rows, columns = shape
    seen = []
    for n, moved in ((rows, shifts_px[:, 0]), (columns, shifts_px[:, 1])):
        source = np.arange(n)[None, :] - moved[:, None]
        seen.append((source > -0.5) & (source < n - 0.5))
    return (seen[0][:, :, None] & seen[1][:, None, :]).astype(np.float32)


def cross_correlation_shift(reference: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shift (y, x) in px to add to `moving` so that it lies on `reference`; sub-pixel."""
    from skimage.registration import phase_cross_correlation

    register: Any = phase_cross_correlation  # scikit-image ships no types
    shift, _, _ = register(reference, moving, upsample_factor=_UPSAMPLING, normalization=None)
    return np.asarray(shift, np.float64)


def smoothed(stack: Stack) -> Stack:
    """A little blur against noise."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(np.asarray(stack, np.float32), 1.0, axes=(1, 2)))


def _border(stack: Stack, axis: int) -> float:
    """How bright the brighter of the two borders across `axis` gets."""
    first, last = np.take(stack, 0, axis), np.take(stack, -1, axis)
    return float(max(np.percentile(first, 95), np.percentile(last, 95)))


def neighbour_shifts(stack: Stack, tilts_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shifts from cross-correlating each tilt with its neighbour, outward from the lowest."""
    order = np.argsort(tilts_deg)
    start = int(np.argmin(np.abs(tilts_deg[order])))
    shifts = np.zeros((len(stack), 2))
    for step in (1, -1):
        for i in range(start + step, len(order) if step > 0 else -1, step):
            before, now = order[i - step], order[i]
            shifts[now] = shifts[before] + cross_correlation_shift(stack[before], stack[now])
    return shifts


def centre_on_axis(weight: Stack, axis: int) -> NDArray[np.float64]:
    """Shift along `axis` that puts each tilt's centre of mass into the middle."""
    n = weight.shape[axis]
    profile = weight.sum(axis=3 - axis)
    position = np.arange(n) - 0.5 * (n - 1)
    return np.asarray(-(profile @ position) / np.maximum(profile.sum(axis=1), 1e-9))


def match_profiles(stack: Stack, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shifts along the axis that bring every tilt's y-summed profile onto their mean."""
    shifts = start - start.mean()
    profiles = stack.sum(axis=1)
    frequency = np.fft.fftfreq(profiles.shape[1])
    hann = np.hanning(profiles.shape[1])
    for _ in range(3):
        moved = np.fft.ifft(np.fft.fft(profiles) * np.exp(-2j * np.pi * frequency * shifts[:, None])).real
        edges = np.gradient(moved, axis=1) * hann
        mean = edges.mean(axis=0, keepdims=True)
        for i, edge in enumerate(edges):
            step = cross_correlation_shift(mean.astype(np.float32), edge[None].astype(np.float32))[1]
            shifts[i] += float(np.clip(step, -8.0, 8.0))
        shifts -= shifts.mean()
    return np.asarray(shifts)


def _match_projections(stack: Stack, tilts_deg: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shifts onto the re-projection of a quick reconstruction, and how well each projection agrees with it there."""
    volume = reconstruct(stack, tilts_deg, iterations=_MATCHING_ITERATIONS, method="osem")
    depth, rows, columns = volume.shape
    model = projector_on("auto", tilts_deg, (depth, rows, columns)).forward(volume)
    shifts = np.array([cross_correlation_shift(m, p) for m, p in zip(model, stack, strict=True)])
    away = [a - a.mean(axis=(1, 2), keepdims=True) for a in (model, shifted(stack, shifts))]
    size = np.sqrt((away[0] ** 2).sum(axis=(1, 2)) * (away[1] ** 2).sum(axis=(1, 2)))
    return shifts, np.asarray((away[0] * away[1]).sum(axis=(1, 2)) / np.maximum(size, 1e-12), np.float64)
