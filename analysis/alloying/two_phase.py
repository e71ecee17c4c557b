"""The room-temperature state as what it is: one pure metal around another.

A reconstruction blurs edges and smears them along the missing wedge. The particle, though, is known to be made of
two levels, so it is reconstructed discretely: a reconstruction is segmented, only voxels near the two boundaries are
freed and corrected against the projections, and the result is segmented again (the idea of DART, Batenburg and
Sijbers, IEEE Trans. Image Process. 20 (2011) 2542). The blur is part of the forward model; both levels come from
least squares on the projections themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.projector import Projector, Stack, Volume

_ROUNDS = 4
_CORRECTIONS = 5
_FREE_INTERIOR = 0.05
_SMOOTH_PX = 0.8


@dataclass(frozen=True)
class TwoPhase:
    """A core in a shell on the analysis grid (z, y, x)."""

    mask: NDArray[np.bool_]
    core: NDArray[np.bool_]
    shell_level: float
    core_level: float
    """Intensity per voxel edge."""
    surroundings: Volume
    """Everything outside the particle (silica, support), same units."""
    blur_px: float
    """Gaussian blur of the projections, one standard deviation."""

    @property
    def core_fraction(self) -> float:
        return float(self.core.sum() / max(1, self.mask.sum()))

    def intensity(self, concentration: NDArray[np.float32]) -> Volume:
        """Intensity of the particle with this core-element fraction, and its surroundings."""
        metal = self.shell_level + (self.core_level - self.shell_level) * concentration
        return np.where(self.mask, metal, self.surroundings).astype(np.float32)


def blurred(stack: Stack, blur_px: float) -> Stack:
    """Gaussian blur of each projection."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(stack, blur_px, axes=(1, 2)))


def find_two_phases(stack: Stack, tilts_deg: NDArray[np.float64], volume: Volume) -> TwoPhase:
    """Segment a core-shell particle so that its projections match an aligned tilt stack.

    Parameters
    ----------
    stack : (tilt, y, x) intensities, background-free
    volume : (z, y, x) its reconstruction
    """
    from scipy.ndimage import gaussian_filter

    depth, rows, columns = volume.shape
    projector = Projector(tilts_deg, (depth, rows, columns))
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(volume, 1.0)
    low, high = _three_class_thresholds(smooth)
    mask, core = _main_body(smooth > low), smooth > high
    blur_px = 1.0
    for round_ in range(_ROUNDS + 1):
        core = core & mask
        surroundings = _surroundings(smooth, mask, low)
        parts = [projector.forward(p.astype(np.float32)) for p in (mask, core, surroundings)]
        if round_ in (0, _ROUNDS):
            blur_px = _best_blur(parts, stack)
        shell, step, outside = _levels([blurred(p, blur_px) for p in parts], stack)
        surroundings = (surroundings * np.float32(max(outside, 0.0))).astype(np.float32)
        if round_ == _ROUNDS:
            break
        model = (shell * mask + step * core + surroundings).astype(np.float32)
        free = _boundary(mask) | _boundary(core)
        free |= (rng.random(mask.shape) < _FREE_INTERIOR) & _grown(mask, 3)
        corrected = _corrected(model, free, stack, projector, blur_px)
        smooth = gaussian_filter(corrected, _SMOOTH_PX)
        high = shell + 0.5 * step
        low = _best_threshold(smooth, shell, smooth > high, surroundings, projector, stack, blur_px)
        mask, core = _main_body(smooth > low), smooth > high
    return TwoPhase(mask, core, float(shell), float(shell + step), surroundings, blur_px)


def _three_class_thresholds(smooth: Volume) -> tuple[float, float]:
    """Vacuum | shell | core, by Otsu's method within the particle's box."""
    from skimage.filters import threshold_multiotsu

    bright = smooth > 0.2 * np.percentile(smooth, 99.9)
    box = tuple(
        slice(max(0, int(hit[0]) - 4), int(hit[-1]) + 5)
        for hit in (np.flatnonzero(bright.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3))
    )
    otsu: Any = threshold_multiotsu  # scikit-image ships no types
    low, high = otsu(smooth[box], classes=3)
    return float(low), float(high)


def _main_body(candidate: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected body, its holes filled."""
    from scipy.ndimage import binary_fill_holes, label

    labels, n = label(candidate)
    if n == 0:
        return candidate
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(binary_fill_holes(labels == int(sizes.argmax())), bool)


def _surroundings(smooth: Volume, mask: NDArray[np.bool_], low: float) -> Volume:
    from scipy.ndimage import gaussian_filter

    faint = gaussian_filter(np.clip(smooth, 0.0, low), 2.0)
    return np.where(_grown(mask, 2), 0.0, faint).astype(np.float32)


def _levels(parts: list[Stack], stack: Stack) -> NDArray[np.float64]:
    """Least-squares weights of the parts' projections."""
    flat = [p.ravel().astype(np.float64) for p in parts]
    normal = np.array([[a @ b for b in flat] for a in flat])
    right = np.array([a @ stack.ravel() for a in flat])
    return np.asarray(np.linalg.lstsq(normal, right, rcond=None)[0])


def _best_blur(parts: list[Stack], stack: Stack) -> float:
    from scipy.optimize import minimize_scalar

    every = slice(None, None, max(1, len(stack) // 12))

    def misfit(blur_px: float) -> float:
        some = [blurred(p[every], blur_px) for p in parts]
        weights = _levels(some, stack[every])
        model = sum(w * p for w, p in zip(weights, some, strict=True))
        return float(np.mean((stack[every] - model) ** 2))

    found = minimize_scalar(misfit, bounds=(0.2, 4.0), method="bounded", options={"xatol": 0.03})
    return float(found.x)


def _best_threshold(
    smooth: Volume,
    shell: float,
    core: NDArray[np.bool_],
    surroundings: Volume,
    projector: Projector,
    stack: Stack,
    blur_px: float,
) -> float:
    """Surface threshold whose particle projects most like the data.

    Half the shell's level would do if every face were seen from the side. Faces across the missing wedge are not: their
    profile is smeared, and the projections themselves say where they lie.
    """
    from scipy.optimize import minimize_scalar

    fixed = [blurred(projector.forward(p.astype(np.float32)), blur_px) for p in (core, surroundings)]

    def misfit(fraction: float) -> float:
        body = _main_body(smooth > fraction * shell)
        parts = [blurred(projector.forward(body.astype(np.float32)), blur_px), *fixed]
        weights = _levels(parts, stack)
        return float(np.mean((stack - sum(w * p for w, p in zip(weights, parts, strict=True))) ** 2))

    found = minimize_scalar(misfit, bounds=(0.2, 0.7), method="bounded", options={"xatol": 0.02})
    return float(found.x) * shell


def _corrected(model: Volume, free: NDArray[np.bool_], stack: Stack, projector: Projector, blur_px: float) -> Volume:
    """A few SIRT corrections of the free voxels only."""
    weight = free.astype(np.float32)
    rows = np.maximum(projector.forward(weight), 0.5)
    columns = np.maximum(projector.backward(np.ones_like(stack)), 1e-3)
    volume = model
    for _ in range(_CORRECTIONS):
        residual = blurred(stack - blurred(projector.forward(volume), blur_px), blur_px)
        change = projector.backward(np.divide(residual, rows, dtype=np.float32))
        volume = volume + weight * np.divide(change, columns, dtype=np.float32)
    return volume


def _boundary(body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation, binary_erosion

    return np.asarray(binary_dilation(body) & ~binary_erosion(body), bool)


def _grown(body: NDArray[np.bool_], voxels: int) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(body, iterations=voxels), bool)
