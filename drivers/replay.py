"""Recorded data through the live path: a session folder or a bare tilt-series file as a microscope.

A scan returns the recorded frame, not yet played, whose tilt is nearest to the one asked for; when a series has been
played to its end the next one begins.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError, DeviceError
from drivers.frames import Frame
from drivers.interfaces import DriverContext, HeaterReading, Scan, ScanSettings, StagePosition
from drivers.recorded.session import read_session
from drivers.recorded.tilt_series_file import read_tilt_series

_AMBIENT_C = 25.0


@dataclass(frozen=True, eq=False)
class _Recorded:
    tilt_deg: float
    image: NDArray[np.generic]
    pixel_nm: float
    gain: float | None = None
    offset: float | None = None
    electrons_per_nm2: float | None = None
    swept_deg: float = 0.0


class ReplayMicroscope:
    """Implements `Microscope` on recorded frames.

    Parameters
    ----------
    source : session folder, or a tilt series (MRC, TIFF); relative to the session file
    angles : angles of a bare tilt series
    pixel_nm : pixel size of a bare tilt series
    within_deg : a frame farther than this from the tilt asked for is not played
    """

    simulated = False
    replayed = True
    """No instrument is behind it."""

    def __init__(
        self,
        name: str,
        context: DriverContext,
        source: str,
        angles: str | None = None,
        pixel_nm: float | None = None,
        within_deg: float = 1.5,
    ) -> None:
        self.name = name
        self._clock = context.clock
        self._source = context.origin / source
        self._angles = None if angles is None else context.origin / angles
        self._pixel_nm, self._within_deg = pixel_nm, within_deg
        self._series: list[list[_Recorded]] = []
        self._stage = StagePosition()
        if not self._source.exists():
            raise ConfigError(
                "microscope.options.source", [f"{self._source} does not exist; paths start at the session file"]
            )
        if not self._source.is_dir() and (angles is None or pixel_nm is None):
            raise ConfigError("microscope.options", ['a bare tilt series needs angles = "FILE" and pixel_nm = ...'])

    async def connect(self) -> None:
        series = list(self._recorded_session() if self._source.is_dir() else self._bare_series())
        if not series:
            raise DeviceError(self.name, f"{self._source} holds no frames; name a folder or file that does")
        self._series = series

    async def make_safe(self) -> None:
        """Nothing is powered."""

    async def close(self) -> None:
        """Nothing is open."""

    def tilt_range_deg(self) -> tuple[float, float]:
        return -90.0, 90.0

    async def move_to(self, position: StagePosition) -> None:
        self._stage = position

    async def read_stage(self) -> StagePosition:
        return self._stage

    async def set_beam_blank(self, blanked: bool) -> None:
        """No beam."""

    async def set_defocus(self, defocus_nm: float) -> None:
        """The recorded focus stays."""

    async def shift_beam(self, dy_nm: float, dx_nm: float) -> None:
        """The recorded beam stays."""

    async def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        """The recorded position stays."""

    async def scan(self, settings: ScanSettings) -> Scan:
        await self._clock.sleep(settings.frame_s)
        return self._play(self._stage.tilt_deg)

    async def sweep(self, settings: ScanSettings, to_deg: float, rate_deg_per_s: float) -> AsyncGenerator[Scan, None]:
        low, high = sorted((self._stage.tilt_deg, to_deg))
        way = 1 if to_deg > self._stage.tilt_deg else -1
        for tilt_deg in sorted((f.tilt_deg for f in self._current() if low <= f.tilt_deg <= high), reverse=way < 0):
            await self._clock.sleep(settings.frame_s)
            yield self._play(tilt_deg)

    def _current(self) -> list[_Recorded]:
        while self._series and not self._series[0]:
            self._series.pop(0)
        if not self._series:
            raise DeviceError(self.name, "every recorded frame has been played; shorten the plan to what was recorded")
        return self._series[0]

    def _play(self, tilt_deg: float) -> Scan:
        frames = self._current()
        nearest = min(frames, key=lambda f: abs(f.tilt_deg - tilt_deg))
        if abs(nearest.tilt_deg - tilt_deg) > self._within_deg:
            raise DeviceError(
                self.name,
                f"asked for {tilt_deg:g} deg, the nearest recorded frame is at {nearest.tilt_deg:g} deg; "
                "match [tilt] to the recording or raise within_deg",
            )
        frames.remove(nearest)
        return Scan(
            image=nearest.image,
            time_s=self._clock.now(),
            stage=StagePosition(self._stage.x_nm, self._stage.y_nm, self._stage.z_nm, nearest.tilt_deg),
            pixel_nm=nearest.pixel_nm,
            electrons_per_nm2=nearest.electrons_per_nm2,
            gain=nearest.gain,
            offset=nearest.offset,
            swept_deg=nearest.swept_deg,
        )

    def _recorded_session(self) -> Iterator[list[_Recorded]]:
        # EDX maps are no tilt series; their photons are not played.
        frames = [i for i in read_session(self._source) if isinstance(i, Frame) and i.photons is None]
        for _, group in groupby(frames, key=lambda f: f.header.step):
            yield [
                _Recorded(h.tilt_deg, f.image, h.pixel_nm, h.gain, h.offset, h.electrons_per_nm2, h.swept_deg)
                for f in group
                for h in (f.header,)
            ]

    def _bare_series(self) -> Iterator[list[_Recorded]]:
        assert self._angles is not None, "checked when built"
        assert self._pixel_nm is not None, "checked when built"
        series = read_tilt_series(Path(self._source), self._angles)
        yield [
            _Recorded(float(a), image, self._pixel_nm) for a, image in zip(series.tilts_deg, series.images, strict=True)
        ]


class ReplayChip:
    """Implements `HeatingChip` for replays: it is where it is told to be, at once."""

    simulated = True

    def __init__(self, name: str, context: DriverContext) -> None:
        self.name = name
        self._clock = context.clock
        self._setpoint_c = _AMBIENT_C

    async def connect(self) -> None:
        """Nothing to open."""

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        self._setpoint_c = target_c

    async def quench(self) -> None:
        self._setpoint_c = _AMBIENT_C

    async def read(self) -> HeaterReading:
        # What it would take of power is not known.
        return HeaterReading(self._clock.now(), self._setpoint_c, self._setpoint_c, 0.0, math.nan)

    async def make_safe(self) -> None:
        await self.quench()

    async def close(self) -> None:
        """Nothing is open."""
