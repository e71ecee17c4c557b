"""Recorded data through the live path: a session folder or a bare tilt-series file as a microscope.

A scan returns the recorded frame, not yet played, whose tilt is nearest to the one asked for; when a series has been
played to its end the next one begins.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError, DeviceError
from drivers.frames import Frame
from drivers.interfaces import DriverContext, HeaterReading, Scan, ScanSettings, StagePosition
from drivers.recorded.folder import SessionFolder
from drivers.recorded.session import read_session
from drivers.recorded.tilt_series_file import read_tilt_series

_AMBIENT_C = 25.0
_SAME_PIXELS = 0.01


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
    source : session folder, or a tilt series as `read_tilt_series` takes it; relative to the session file
    angles : file with the tilts of a bare tilt series, where neither it nor a file beside it tells them
    pixel_nm : pixel size of a bare tilt series, where it does not tell its own
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

    async def connect(self) -> None:
        self._series = self._read()

    def unplayable(self, asked_deg: Sequence[Sequence[float]], settings: ScanSettings) -> list[str]:
        """What was not recorded of tilt series that are to be played, in words; opens what is to be played.

        Parameters
        ----------
        asked_deg : tilts of each series, in the order in which they will be asked for
        settings : of the scans
        """
        try:
            series = self._read()
        except ConfigError as error:
            return [f"{self.name}.options: {sentence}" for sentence in error.sentences]
        except DeviceError as error:
            return [str(error)]
        problems = []
        first = series[0][0]
        if first.image.shape != settings.shape:
            rows, columns = first.image.shape
            words = f"scan.shape: {settings.shape[0]} x {settings.shape[1]} pixels, recorded were {rows} x {columns}"
            problems.append(f"{words}; write shape = [{rows}, {columns}]")
        if abs(settings.pixel_nm / first.pixel_nm - 1.0) > _SAME_PIXELS:
            words = f"scan.pixel_nm: {settings.pixel_nm:g} nm, recorded were pixels of {first.pixel_nm:g} nm"
            problems.append(f"{words}; write that")
        try:
            for tilt_deg in (t for tilts_deg in asked_deg for t in tilts_deg):
                self._taken_from(series, tilt_deg)
        except DeviceError as error:
            problems.append(str(error))
        return problems

    def _read(self) -> list[list[_Recorded]]:
        at = SessionFolder(self._source)
        session = at.journal.exists() or at.frames.exists()
        series = list(self._recorded_session() if session else self._bare_series())
        if not series:
            raise DeviceError(self.name, f"{self._source} holds no frames; name a folder or file that does")
        return series

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
        for tilt_deg in sorted(
            (f.tilt_deg for f in self._current(self._series) if low <= f.tilt_deg <= high), reverse=way < 0
        ):
            await self._clock.sleep(settings.frame_s)
            yield self._play(tilt_deg)

    def _current(self, series: list[list[_Recorded]]) -> list[_Recorded]:
        while series and not series[0]:
            series.pop(0)
        if not series:
            raise DeviceError(self.name, "every recorded frame has been played; shorten the plan to what was recorded")
        return series[0]

    def _taken_from(self, series: list[list[_Recorded]], tilt_deg: float) -> _Recorded:
        frames = self._current(series)
        nearest = min(frames, key=lambda f: abs(f.tilt_deg - tilt_deg))
        if abs(nearest.tilt_deg - tilt_deg) > self._within_deg:
            raise DeviceError(
                self.name,
                f"asked for {tilt_deg:g} deg, the nearest recorded frame is at {nearest.tilt_deg:g} deg; "
                "match [tilt] to the recording or raise within_deg",
            )
        frames.remove(nearest)
        return nearest

    def _play(self, tilt_deg: float) -> Scan:
        nearest = self._taken_from(self._series, tilt_deg)
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
        series = read_tilt_series(self._source, self._angles)
        pixel_nm = self._pixel_nm or series.pixel_nm
        if pixel_nm is None:
            raise ConfigError(str(self._source), ["does not tell its pixel size; add pixel_nm = ... to the options"])
        yield [_Recorded(float(t), image, pixel_nm) for t, image in zip(series.tilts_deg, series.images, strict=True)]


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
