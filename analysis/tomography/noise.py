"""From detector counts to intensities with a known noise.

A frame's header tells gain and offset; a bare file does not, so both are estimated from the images: the offset from
their darkest level, the gain from how the pixel-to-pixel variance grows with intensity (Poisson: var = gain * mean).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.projector import Stack

_MODEL_ERROR = 0.002
"""Of the brightest pixel: what even noise-free projections may miss a model by."""
_DARKEST = 0.02
"""Of the brightest pixel: weights rise no further below."""


@dataclass(frozen=True)
class Noise:
    """Variance of a pixel = read_variance + gain * intensity."""

    gain: float
    read_variance: float

    def sample(self, intensity: Stack, rng: np.random.Generator) -> Stack:
        """Draw one noisy stack with these mean intensities."""
        noisy: NDArray[np.float64] = np.maximum(intensity, 0.0).astype(np.float64)
        if self.gain > 0.0:
            noisy = np.asarray(rng.poisson(noisy / self.gain) * self.gain, np.float64)
        if self.read_variance > 0.0:
            noisy = noisy + rng.normal(0.0, np.sqrt(self.read_variance), intensity.shape)
        return np.asarray(noisy, np.float32)

    def weights(self, intensity: Stack) -> Stack:
        """One over each pixel's expected variance, that of the model included."""
        top = float(intensity.max())
        variance = self.read_variance + self.gain * np.maximum(intensity, _DARKEST * top) + (_MODEL_ERROR * top) ** 2
        return np.asarray(1.0 / variance, np.float32)


def darkest_level(stack: NDArray[np.generic]) -> float:
    """Level of the darkest regions: a low percentile of smoothed images, in counts."""
    from scipy.ndimage import gaussian_filter

    return float(np.percentile(gaussian_filter(stack.astype(np.float32), 3.0, axes=(1, 2)), 0.5))


def estimate_noise(intensity: Stack, gain: float | None = None) -> Noise:
    """Read variance, and the gain where the instrument does not tell it, from the images themselves.

    The second difference along y, ``a - 2 b + c``, cancels slopes and carries six pixel variances; its median
    absolute value in bins of local mean ignores edges.
    """
    middle = intensity[:, 1:-1]
    local = (intensity[:, :-2] + middle + intensity[:, 2:]).ravel() / 3.0
    second = np.abs(intensity[:, :-2] - 2.0 * middle + intensity[:, 2:]).ravel()
    edges = np.quantile(local, np.linspace(0.0, 1.0, 17))
    bins = np.clip(np.searchsorted(edges, local) - 1, 0, 15)
    mean = np.array([local[bins == b].mean() if np.any(bins == b) else 0.0 for b in range(16)])
    spread = np.array([np.median(second[bins == b]) if np.any(bins == b) else 0.0 for b in range(16)])
    variance = (spread / 0.6745) ** 2 / 6.0
    weight = 1.0 / np.maximum(variance, 1e-12 + 1e-3 * variance.max())
    design = np.stack([np.ones(16), np.maximum(mean, 0.0)], axis=1)
    (read, seen), *_ = np.linalg.lstsq(design * weight[:, None], variance * weight, rcond=None)
    return Noise(gain=float(max(seen, 0.0)) if gain is None else gain, read_variance=float(max(read, 0.0)))
