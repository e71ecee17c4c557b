"""Fields that are smooth, as cosine waves: what a prior lets through, and nothing of what it does not.

A displacement is white noise smoothed by a Gaussian. Waves that the Gaussian leaves nothing of are no unknowns, and
what is left goes to the voxels and back by one small matrix along each axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.particle_model.surroundings import along_axes
from analysis.tomography.projector import Volume

_LEFT_OUT = 0.01
"""Of a wave's amplitude along one axis, below which the prior lets nothing of it through."""


class SmoothField:
    """White noise on voxels (z, y, x), smoothed by a Gaussian of so many px; edges reflect."""

    def __init__(self, shape: tuple[int, ...], smooth_px: float = 0.0) -> None:
        z, y, x = (_waves(n, smooth_px) for n in shape)
        self._up = z, y, x
        self._down = np.ascontiguousarray(z.T), np.ascontiguousarray(y.T), np.ascontiguousarray(x.T)
        kz, ky, kx = (np.pi * np.arange(m.shape[1]) / len(m) for m in self._up)
        self.squares = np.asarray(kz[:, None, None] ** 2 + ky[:, None] ** 2 + kx**2, np.float32)
        """(z, y, x) squared wave numbers of the waves that are left, in radians per voxel."""
        self.amplitudes = np.exp(np.float32(-0.5 * smooth_px**2) * self.squares)
        """How much of each the Gaussian lets through."""

    def voxels(self, waves: NDArray[np.floating]) -> Volume:
        """The smoothed field of such amounts of the waves."""
        return along_axes(np.asarray(waves, np.float32), self._up)

    def waves(self, field: Volume) -> Volume:
        """The exact adjoint of `voxels`."""
        return along_axes(np.asarray(field, np.float32), self._down)


def _waves(n: int, smooth_px: float) -> NDArray[np.float32]:
    """(voxel, wave) cosines of unit length, times what the Gaussian lets through of each."""
    k = np.pi * np.arange(n) / n
    amplitudes = np.exp(-0.5 * (smooth_px * k) ** 2)
    k, amplitudes = k[amplitudes > _LEFT_OUT], amplitudes[amplitudes > _LEFT_OUT]
    length = np.where(k > 0.0, np.sqrt(0.5 * n), np.sqrt(n))
    return np.asarray(np.cos((np.arange(n)[:, None] + 0.5) * k) * amplitudes / length, np.float32)
