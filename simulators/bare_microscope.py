"""A microscope over an empty film: counting noise and nothing else, for tests of everything but the images."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import numpy as np

from drivers.errors import DeviceError
from drivers.interfaces import DriverContext, Scan, ScanSettings, StagePosition
from drivers.units import electrons_per_nm2

_MOVE_S, _MOST_DEG = 0.5, 80.0


class BareMicroscope:
    """Implements `Microscope`.

    Parameters
    ----------
    current_pa : of the probe, by which it tells the dose
    """

    simulated = True

    def __init__(self, name: str, context: DriverContext, current_pa: float = 100.0) -> None:
        self.name = name
        self._clock, self._current_pa = context.clock, current_pa
        self._rng = np.random.default_rng([context.seed, 41])
        self._stage = StagePosition()
        self._shift_nm = (0.0, 0.0)
        self._blanked = True

    async def connect(self) -> None:
        """Nothing to open."""

    async def make_safe(self) -> None:
        self._blanked = True

    async def close(self) -> None:
        self._blanked = True

    def tilt_range_deg(self) -> tuple[float, float]:
        return -_MOST_DEG, _MOST_DEG

    async def move_to(self, position: StagePosition) -> None:
        if abs(position.tilt_deg) > _MOST_DEG:
            words = (
                f"asked to tilt to {position.tilt_deg:g} deg, the holder ends at {_MOST_DEG:g}; lower the tilt range"
            )
            raise DeviceError(self.name, words)
        await self._clock.sleep(_MOVE_S)
        self._stage = position

    async def read_stage(self) -> StagePosition:
        return self._stage

    async def set_beam_blank(self, blanked: bool) -> None:
        self._blanked = blanked

    async def set_defocus(self, defocus_nm: float) -> None:
        """Nothing to focus on."""

    async def shift_beam(self, dy_nm: float, dx_nm: float) -> None:
        """Nothing to shift on."""

    async def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        self._shift_nm = (dy_nm, dx_nm)

    async def scan(self, settings: ScanSettings) -> Scan:
        await self._clock.sleep(settings.frame_s)
        return self._seen(settings)

    async def sweep(self, settings: ScanSettings, to_deg: float, rate_deg_per_s: float) -> AsyncGenerator[Scan, None]:
        began_s, from_deg = self._clock.now(), self._stage.tilt_deg
        way = 1.0 if to_deg > from_deg else -1.0
        while way * (to_deg - self._stage.tilt_deg) > 1e-9:
            await self._clock.sleep(settings.frame_s)
            swept_deg = min(rate_deg_per_s * (self._clock.now() - began_s), abs(to_deg - from_deg))
            self._stage = replace(self._stage, tilt_deg=from_deg + way * swept_deg)
            yield self._seen(settings)

    def _seen(self, settings: ScanSettings) -> Scan:
        dose = electrons_per_nm2(self._current_pa, settings.dwell_s, settings.pixel_nm)
        counts = self._rng.poisson(20.0, settings.shape)
        return Scan(
            image=counts.astype(np.uint16),
            time_s=self._clock.now(),
            stage=self._stage,
            pixel_nm=settings.pixel_nm,
            electrons_per_nm2=0.0 if self._blanked else dose,
            image_shift_nm=self._shift_nm,
        )
