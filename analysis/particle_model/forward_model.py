"""Projections of a particle's box and of its surroundings, through the blur, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.particle_model.surroundings import COARSE_PX, interpolation
from analysis.tomography.device import projector_on
from analysis.tomography.projector import Projector, Stack, Volume

_PIXEL_VARIANCE = 1.0 / 12.0
_BLUR_REACH = 3.5
"""Standard deviations."""


class ForwardModel:
    """Projects at given tilts onto detectors of `rows` rows, the tilt axis in their middle.

    An exposure that sweeps over some tilt is the mean of two, which have the sweep's mean and variance. The
    surroundings are too smooth to show it.
    """

    def __init__(
        self,
        box: tuple[int, int, int],
        rows: int,
        tilts_deg: NDArray[np.float64],
        blur_px: float,
        swept_deg: float = 0.0,
    ) -> None:
        self._rows = rows
        parts = np.array([-1.0, 1.0]) * swept_deg / np.sqrt(12.0) if swept_deg else np.zeros(1)
        self._parts = len(parts)
        # The box reaches only some of the rows, and its parity with theirs must stay.
        reach = int(np.ceil(0.5 * np.hypot(box[0], box[1]) + _BLUR_REACH * blur_px)) + 1
        self._margin = max(0, (rows - 2 * reach) // 2)
        self._particle = projector_on("auto", (tilts_deg[:, None] + parts).ravel(), box, rows - 2 * self._margin)
        coarse_rows = -(-rows // COARSE_PX)
        coarse = (coarse_rows, coarse_rows, -(-box[2] // COARSE_PX))
        self._around = Projector(tilts_deg, coarse)
        self._up = interpolation(rows, coarse_rows), interpolation(box[2], coarse[2])
        self._blur_px = blur_px

    def particle(self, box: Volume) -> Stack:
        exposed = self._particle.forward(box)
        if self._parts > 1:
            exposed = exposed.reshape(-1, self._parts, *exposed.shape[1:]).mean(axis=1)
        seen = blurred(exposed, self._blur_px)
        return np.pad(seen, ((0, 0), (self._margin, self._margin), (0, 0)))

    def around(self, coarse: Volume) -> Stack:
        y, x = self._up
        return np.asarray(COARSE_PX * (y @ self._around.forward(coarse) @ x.T), np.float32)

    def particle_back(self, stack: Stack) -> Volume:
        seen = blurred(stack[:, self._margin : self._rows - self._margin], self._blur_px)
        if self._parts > 1:
            seen = np.repeat(seen / np.float32(self._parts), self._parts, axis=0)
        return self._particle.backward(seen)

    def around_back(self, stack: Stack) -> Volume:
        y, x = self._up
        return self._around.backward(np.asarray(COARSE_PX * (y.T @ stack @ x), np.float32))


def blurred(stack: Stack, blur_px: float) -> Stack:
    """Blur projections of a volume to what a probe of this size sees.

    Voxels and detector rows both average over a pixel across the axis; along it only one of them does, so less blur is
    left to add across.
    """
    from scipy.ndimage import gaussian_filter

    across_px = float(np.sqrt(max(blur_px**2 - _PIXEL_VARIANCE, 0.04)))
    return np.asarray(gaussian_filter(stack, (0.0, across_px, blur_px), truncate=_BLUR_REACH, mode="constant"))
