"""Projections of a particle's box and of its surroundings, through the blur, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.particle_model.blur import blur_reach_px, blurred
from analysis.particle_model.surroundings import COARSE_PX, interpolation
from analysis.tomography.device import projector_on
from analysis.tomography.projector import Projector, Stack, Volume


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
        reach = int(np.ceil(0.5 * np.hypot(box[0], box[1]) + blur_reach_px(blur_px))) + 1
        self._margin = max(0, (rows - 2 * reach) // 2)
        self._particle = projector_on("auto", (tilts_deg[:, None] + parts).ravel(), box, rows - 2 * self._margin)
        coarse_rows = -(-rows // COARSE_PX)
        coarse = (coarse_rows, coarse_rows, -(-box[2] // COARSE_PX))
        self._around = Projector(tilts_deg, coarse)
        y, x = interpolation(rows, coarse_rows), interpolation(box[2], coarse[2])
        self._up = np.float32(COARSE_PX) * y, np.ascontiguousarray(x.T)
        self._blur_px = blur_px

    def particle(self, box: Volume) -> Stack:
        exposed = self._particle.forward(box)
        if self._parts > 1:
            exposed = exposed.reshape(-1, self._parts, *exposed.shape[1:]).mean(axis=1)
        seen = blurred(exposed, self._blur_px)
        return np.pad(seen, ((0, 0), (self._margin, self._margin), (0, 0)))

    def around(self, coarse: Volume) -> Stack:
        y, x = self._up
        rows = y @ self._around.forward(coarse)
        # One product for all tilts: a stack of small ones takes twice as long.
        return np.asarray((rows.reshape(-1, x.shape[0]) @ x).reshape(*rows.shape[:2], -1))

    def particle_back(self, stack: Stack) -> Volume:
        seen = blurred(stack[:, self._margin : self._rows - self._margin], self._blur_px)
        if self._parts > 1:
            seen = np.repeat(seen / np.float32(self._parts), self._parts, axis=0)
        return self._particle.backward(seen)

    def around_back(self, stack: Stack) -> Volume:
        y, x = self._up
        columns = (stack.reshape(-1, x.shape[1]) @ x.T).reshape(*stack.shape[:2], -1)
        return self._around.backward(np.asarray(y.T @ columns, np.float32))
