"""Measuring a stage on the image: there and back along each axis, from both sides, looking after each move."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from controller.acquire.stage_axes import AXES, Axis, StageMove, displacement_nm
from drivers.clock import Clock, within
from drivers.interfaces import Microscope, ScanSettings, StagePosition
from drivers.persistence import persistently

LOOKS = 5
"""Images along one axis, once."""
_MOVE_LIMIT_S, _ANSWER_LIMIT_S = 180.0, 20.0
_LEAST_CONTRAST = 5.0
"""Of the brightest hundredth above the dark, over the noise there."""


@dataclass(frozen=True)
class StageCalibration:
    """Moves the stage and looks; the beam is on only while an image is taken."""

    microscope: Microscope
    clock: Clock
    settings: ScanSettings
    centre: StagePosition
    step_nm: float
    told: Callable[[str], None] = lambda _: None

    async def moves(self, repeats: int) -> list[StageMove]:
        """Of both axes, so many times.

        Raises
        ------
        ValueError
            When the image shows nothing that could be followed.
        """
        found: list[StageMove] = []
        for number in range(repeats):
            for axis in AXES:
                self.told(f"along {axis}, {number + 1} of {repeats}")
                found += await self._there_and_back(axis)
        return found

    async def _there_and_back(self, axis: Axis) -> list[StageMove]:
        """To the middle from below, up, to the middle from above, down, and to the middle from below once more."""
        step_nm = self.step_nm
        await self._go(axis, -step_nm)
        images = [await self._seen(axis, at_nm) for at_nm in (0.0, step_nm, 0.0, -step_nm, 0.0)]
        with self.clock.working():
            return await asyncio.to_thread(lambda: list(self._told_by(axis, images)))

    def _told_by(self, axis: Axis, images: list[NDArray[np.generic]]) -> Iterator[StageMove]:
        start, up, down_again, low, end = images
        pixel_nm = self.settings.pixel_nm
        drift_nm = displacement_nm(start, end, pixel_nm) / (LOOKS - 1)
        yield StageMove(axis, self.step_nm, displacement_nm(start, up, pixel_nm) - drift_nm)
        yield StageMove(axis, -self.step_nm, displacement_nm(down_again, low, pixel_nm) - drift_nm)
        yield StageMove(axis, 0.0, displacement_nm(start, down_again, pixel_nm) - 2.0 * drift_nm)

    async def _go(self, axis: Axis, by_nm: float) -> None:
        at = self.centre
        x_nm, y_nm = (at.x_nm + by_nm, at.y_nm) if axis == "x" else (at.x_nm, at.y_nm + by_nm)
        moving = self.microscope.move_to(replace(at, x_nm=x_nm, y_nm=y_nm))
        await within(self.clock, _MOVE_LIMIT_S, self.microscope.name, f"move the stage along {axis}", moving)

    async def _seen(self, axis: Axis, at_nm: float) -> NDArray[np.generic]:
        await self._go(axis, at_nm)
        microscope, name = self.microscope, self.microscope.name
        try:
            await within(self.clock, _ANSWER_LIMIT_S, name, "unblank the beam", microscope.set_beam_blank(False))
            limit_s = _ANSWER_LIMIT_S + 3.0 * self.settings.frame_s
            scan = await within(self.clock, limit_s, name, "scan an image", microscope.scan(self.settings))
        finally:
            await persistently(self.clock, self._blanked, lambda _: None)
        self._check(scan.image, axis, at_nm)
        return scan.image

    def _blanked(self) -> Awaitable[None]:
        call = self.microscope.set_beam_blank(True)
        return within(self.clock, _ANSWER_LIMIT_S, self.microscope.name, "blank the beam", call)

    def _check(self, scanned: NDArray[np.generic], axis: Axis, at_nm: float) -> None:
        image = np.asarray(scanned, np.float64)
        dark, bright = np.percentile(image, (20.0, 99.0))
        noise = 1.4826 * float(np.median(np.abs(image[image <= np.percentile(image, 40.0)] - dark))) or 1.0
        if bright - dark < _LEAST_CONTRAST * noise:
            raise ValueError(
                f"nothing bright is seen with the stage {at_nm:g} nm along {axis}: begin on a particle, or give a "
                "smaller --step-nm"
            )
