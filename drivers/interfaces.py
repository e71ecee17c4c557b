"""The borders: what a heating chip, a microscope and an EDX detector can be asked.

Real systems and simulators implement the same Protocols and are chosen by name in the session file. Every method may
raise `DeviceError`; the caller sets the time limit.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.clock import Clock
from drivers.frames import MOST_CELLS, Photons, StreamItem
from drivers.limits import ChipLimits


@dataclass(frozen=True)
class DriverContext:
    """What every backend is given when it is built, besides its own options."""

    clock: Clock
    seed: int
    folder: Path
    """The session's folder; simulators keep their truth in ``truth/`` below it."""
    origin: Path = Path()
    """Folder that relative paths in options start from: the session file's."""
    microscope: Microscope | None = None
    """On which an EDX detector sits; other backends get none."""
    limits: ChipLimits = field(default_factory=ChipLimits)
    """For a chip's driver that can hand them on to its instrument; the guard keeps them in any case."""
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("alloyscope.driver"))
    """For what is worth keeping, into the session's logs; what a person must know is raised."""


@dataclass(frozen=True)
class StagePosition:
    x_nm: float = 0.0
    """Along the tilt axis."""
    y_nm: float = 0.0
    z_nm: float = 0.0
    """Along the beam at 0 deg."""
    tilt_deg: float = 0.0


@dataclass(frozen=True)
class HeaterReading:
    time_s: float
    """When it was measured, on the session's clock; never before that of an earlier reading."""
    temperature_c: float
    """From the measured resistance and the chip's calibration."""
    setpoint_c: float
    """What the instrument holds, also where somebody else has set it."""
    resistance_ohm: float | None = None
    """None, as the power, where the instrument does not tell."""
    power_mw: float | None = None
    temperature_std_c: float | None = None
    """By the calibration's uncertainty, one standard deviation: common to all readings; None when it is not known."""
    period_s: float = 0.0
    """Between two samples of an instrument that measures by itself; 0 where it measures when it is asked."""
    stamped_by: Literal["session", "device"] = "session"
    """Whose clock said the time; the driver has brought that of its device onto the session's."""


@dataclass(frozen=True)
class ScanSettings:
    pixel_nm: float
    shape: tuple[int, int] = (128, 128)
    """Pixels (y, x)."""
    dwell_s: float = 3e-6
    """Per pixel."""

    @property
    def frame_s(self) -> float:
        """Scan time of one frame."""
        return self.dwell_s * self.shape[0] * self.shape[1]


@dataclass(frozen=True)
class XRays:
    """What an X-ray detector counted during one scan."""

    photons: Photons
    channels: int
    channel_ev: float
    offset_ev: float
    """Energy of channel 0's middle."""
    beam_kev: float
    fwhm_mn_ev: float = 130.0
    """Full width at half maximum of a line at Mn K-alpha."""
    live_s: float | None = None


def photons_of(counts: NDArray[np.integer]) -> Photons:
    """The photons of a dense spectrum image (y, x, channel), for detectors that give such.

    Raises
    ------
    ValueError
        For more pixels and channels than 32 bits can number.
    """
    if counts.size > MOST_CELLS:
        raise ValueError(f"{counts.shape} has more pixels and channels than 32 bits can number; bin the channels")
    flat = counts.ravel()
    at = np.flatnonzero(flat)
    return np.repeat(at, flat[at]).astype(np.uint32)


@dataclass(frozen=True)
class Scan:
    """One HAADF image with what was read back while it was taken."""

    image: NDArray[np.generic]
    """(y, x) digital counts."""
    time_s: float
    stage: StagePosition
    pixel_nm: float
    electrons_per_nm2: float | None = None
    gain: float | None = None
    offset: float | None = None
    defocus_nm: float = 0.0
    image_shift_nm: tuple[float, float] = (0.0, 0.0)
    swept_deg: float = 0.0
    """Tilt that the stage went through during the exposure, `stage.tilt_deg` in its middle."""
    x_rays: XRays | None = None
    """Of a frame of an EDX map."""
    detector: str = "HAADF"
    beam_kev: float | None = None
    current_pa: float | None = None
    """Of the probe, as measured with this scan; None, as the beam energy, where it is not told."""
    rotation_deg: float = 0.0
    """Of the scan against the tilt axis, counterclockwise as seen on the image; the analysis needs it small."""


@dataclass(frozen=True)
class EdxSettings:
    """An EDX map: the same scan over and over."""

    scan: ScanSettings
    frames: int
    """At most."""


class Device(Protocol):
    """What every device can do."""

    name: str

    @property
    def simulated(self) -> bool:
        """Whether there is no matter behind it; where only the instrument itself knows, once it is connected."""
        ...

    async def connect(self) -> None: ...

    async def make_safe(self) -> None:
        """Bring the device into a state that harms nothing: any time, any number of times, in bounded time."""
        ...

    async def close(self) -> None: ...


class HeatingChip(Device, Protocol):
    """A MEMS heater with four-point resistance read-out.

    A driver may declare ``abilities`` (`drivers.abilities.ChipAbilities`).
    """

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        """Ramp and return when the temperature has been reached."""
        ...

    async def quench(self) -> None:
        """Take the heating power away, and stay readable; returns at once.

        An instrument that cannot be read with its output off goes on with a current too small to heat, until `close`.
        """
        ...

    async def read(self) -> HeaterReading: ...


class Microscope(Device, Protocol):
    """Stage, beam and HAADF detector.

    Signs: a positive image shift (dy, dx) moves the content of the next image to larger (y, x); moving the stage by
    +x moves it to larger x. Tilt turns about the image's x axis; a feature above the axis (+z) moves to larger y
    when the tilt grows.
    """

    async def move_to(self, position: StagePosition) -> None: ...

    async def read_stage(self) -> StagePosition: ...

    async def set_beam_blank(self, blanked: bool) -> None: ...

    async def set_defocus(self, defocus_nm: float) -> None: ...

    async def shift_beam(self, dy_nm: float, dx_nm: float) -> None: ...

    async def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        """Set the image shift (absolute)."""
        ...

    async def scan(self, settings: ScanSettings) -> Scan: ...

    def sweep(self, settings: ScanSettings, to_deg: float, rate_deg_per_s: float) -> AsyncGenerator[Scan, None]:
        """Tilt continuously to `to_deg` and yield scans taken on the way."""
        ...

    def tilt_range_deg(self) -> tuple[float, float]:
        """What the holder allows; known before `connect`."""
        ...


class EdxDetector(Device, Protocol):
    """An X-ray detector on a scanning beam."""

    def map_frames(self, settings: EdxSettings) -> AsyncGenerator[Scan, None]:
        """Scan frame by frame where the stage stands; closing the generator ends the map after a whole frame."""
        ...


class InstrumentServer(Protocol):
    """Answers on a vendor's wire as the instrument would, so that a session file for it can be rehearsed."""

    @property
    def told(self) -> str:
        """Where it listens, in words."""
        ...

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Until cancelled; `ready` is called once it listens."""
        ...


@dataclass(frozen=True)
class Rehearsed:
    """A whole session made up from a known truth."""

    d_m2_per_s: float
    """True diffusion coefficient."""
    volume_nm3: float
    items: Iterator[StreamItem]
    imperfections: Mapping[str, float] = field(default_factory=dict)
    """Sizes of the effects that the session has and its headers do not tell, by their names."""


class Rehearsal(Protocol):
    """Makes up whole sessions whose truth is known, for scoring the analysis."""

    def particles(self) -> Sequence[str]: ...

    def variants(self) -> Sequence[str]: ...

    def imperfections(self) -> Sequence[str]:
        """What sessions may suffer from; ``none`` is the first."""
        ...

    def session(
        self, particle: str, seed: int, variant: str = "standard", imperfections: str = "none"
    ) -> Rehearsed: ...
