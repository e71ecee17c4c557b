"""A stand-in of Thermo Fisher's AutoScript TEM, which cannot be had here: names that public code uses, and no other.

Behind it is the twin's microscope. It has habits of its own, which tests set: `Column`.
"""

import asyncio
import math
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from drivers.clock import WallClock
from drivers.interfaces import DriverContext, Scan, ScanSettings
from simulators.microscope import SimulatedMicroscope

RAD = math.pi / 180.0
STILL = {"voxels_across": 24.0, "jitter_nm": 0.0, "drift_nm_per_sqrt_s": 0.0, "tilt_error_deg": 0.0}
SIZES = (128, 256, 512, 1024, 2048, 4096)


class ApplicationServerException(Exception):
    """The vendor's, by its name."""


@dataclass
class Point:
    x: float = 0.0
    y: float = 0.0


@dataclass
class Axes:
    """Of a place in m and rad, or of a velocity in those per second; an axis that is None is left alone."""

    x: float | None = None
    y: float | None = None
    z: float | None = None
    a: float | None = None
    b: float | None = None


@dataclass
class Limits:
    min: float
    max: float


@dataclass
class BinaryResult:
    pixel_size: Point


@dataclass
class ScanDone:
    dwell_time: float


@dataclass
class Metadata:
    binary_result: BinaryResult | None
    scan_settings: ScanDone


@dataclass
class AdornedImage:
    data: Any
    metadata: Metadata


@dataclass
class Column:
    """The microscope itself, and what is wrong with it."""

    folder: Path
    beam_shift_rotation_deg: float = 30.0
    optical_mode: str = "Stem"
    pixels_too_large: float = 1.0
    """Times what was asked for."""
    dwells_too_long: float = 1.0
    tells_pixels: bool = True
    unblanks_only: bool = False
    jog_factor: float = 1.0
    """Of the velocity that was asked for."""
    refuses: dict[str, int] = field(default_factory=dict)
    """How often a call of this name fails."""
    calls: list[str] = field(default_factory=list)
    true_tilts_deg: list[tuple[float, float]] = field(default_factory=list)
    """Where each exposure began and ended."""
    blanked: bool = True
    field_m: float = 200e-9
    defocus_m: float = 0.0
    beam_shift: Point = field(default_factory=Point)
    place: Axes = field(default_factory=lambda: Axes(0.0, 0.0, 0.0, 0.0, 0.0))
    jogs: tuple[float, float] | None = None
    """Since when, and with how many rad/s."""

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="autoscript stand-in")
        self._thread.start()
        context = DriverContext(WallClock(), 1, self.folder)
        particles = [{"specimen": "NC2", "x_nm": 0.0}]
        self.twin = SimulatedMicroscope("twin", context, particles, current_pa=500.0, **STILL)
        self.awaited(self.twin.connect())

    def awaited(self, call: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def called(self, name: str) -> None:
        self.calls.append(name)
        if self.refuses.get(name, 0):
            self.refuses[name] -= 1
            raise ApplicationServerException(f"{name} failed")

    def tilt_rad(self, at_s: float | None = None) -> float:
        since_s, velocity = self.jogs or (0.0, 0.0)
        tilt = self.place.a + velocity * ((at_s or time.monotonic()) - since_s)
        return min(max(tilt, -75.0 * RAD), 75.0 * RAD)

    def exposed(self, settings: ScanSettings) -> Scan:
        """The twin renders first; what that takes beyond the exposure is the time that a call needs besides."""
        began_s = time.monotonic()
        ends_s = began_s + settings.frame_s
        began_deg, ended_deg = self.tilt_rad(began_s) / RAD, self.tilt_rad(ends_s) / RAD
        self.true_tilts_deg.append((began_deg, ended_deg))
        x_nm, y_nm, z_nm = 1e9 * self.place.x, 1e9 * self.place.y, 1e9 * self.place.z
        self.twin._stage = replace(self.twin._stage, x_nm=x_nm, y_nm=y_nm, z_nm=z_nm)
        turn = self.beam_shift_rotation_deg * RAD
        x, y_down = 1e9 * self.beam_shift.x, -1e9 * self.beam_shift.y
        probe_right = math.cos(turn) * x + math.sin(turn) * y_down
        probe_down = -math.sin(turn) * x + math.cos(turn) * y_down
        self.awaited(self.twin.shift_image(-probe_down, -probe_right))
        self.awaited(self.twin.set_beam_blank(self.blanked))
        self.awaited(self.twin.set_defocus(1e9 * self.defocus_m))
        middle_deg = 0.5 * (began_deg + ended_deg)
        scan: Scan = self.awaited(self.twin._scan_at(settings, middle_deg, abs(ended_deg - began_deg)))
        time.sleep(max(0.0, ends_s - time.monotonic()))
        return scan


class Stage:
    __slots__ = ("_column",)

    def __init__(self, column: Column) -> None:
        self._column = column

    @property
    def position(self) -> Axes:
        return replace(self._column.place, a=self._column.tilt_rad())

    @property
    def is_moving(self) -> bool:
        return self._column.jogs is not None

    def get_axis_limits(self, axis: str) -> Limits:
        return Limits(-75.0 * RAD, 75.0 * RAD) if axis in "ab" else Limits(-1e-3, 1e-3)

    def absolute_move(self, position: Axes) -> None:
        self._column.called("absolute_move")
        if self._column.jogs:
            raise ApplicationServerException("the stage is jogging")
        asked = {axis: value for axis, value in vars(position).items() if value is not None}
        self._column.place = replace(self._column.place, **asked)
        time.sleep(0.02)

    def start_jogging(self, velocity: Axes) -> None:
        self._column.jogs = (time.monotonic(), self._column.jog_factor * velocity.a)
        self._column.called("start_jogging")

    def stop_jogging(self) -> None:
        self._column.called("stop_jogging")
        self._column.place = self.position
        self._column.jogs = None


class Blanker:
    __slots__ = ("_column",)

    def __init__(self, column: Column) -> None:
        self._column = column

    @property
    def is_beam_blanked(self) -> bool:
        return self._column.blanked

    def blank(self) -> None:
        self._column.called("blank")
        self._column.blanked = not self._column.unblanks_only

    def unblank(self) -> None:
        self._column.blanked = False


class Deflectors:
    __slots__ = ("_column",)

    def __init__(self, column: Column) -> None:
        self._column = column

    @property
    def beam_shift(self) -> Point:
        return self._column.beam_shift

    @beam_shift.setter
    def beam_shift(self, shift: Point) -> None:
        """Clipped at 2 um, in silence."""
        self._column.beam_shift = Point(*(min(max(v, -2e-6), 2e-6) for v in (shift.x, shift.y)))


class Optics:
    __slots__ = ("_column", "blanker", "deflectors")

    def __init__(self, column: Column) -> None:
        self._column, self.blanker, self.deflectors = column, Blanker(column), Deflectors(column)

    @property
    def optical_mode(self) -> str:
        return self._column.optical_mode

    @property
    def scan_rotation(self) -> float:
        return 1.0 * RAD

    @property
    def scan_field_of_view(self) -> float:
        return self._column.field_m

    @scan_field_of_view.setter
    def scan_field_of_view(self, width_m: float) -> None:
        self._column.field_m = width_m * self._column.pixels_too_large

    @property
    def defocus(self) -> float:
        return self._column.defocus_m

    @defocus.setter
    def defocus(self, defocus_m: float) -> None:
        """Clipped at 50 um, in silence."""
        self._column.defocus_m = min(max(defocus_m, -50e-6), 50e-6)


class Acquisition:
    __slots__ = ("_column",)

    def __init__(self, column: Column) -> None:
        self._column = column

    def acquire_stem_image(self, scanning_detector: str, size: int, dwell_time: float) -> AdornedImage:
        self._column.called("acquire_stem_image")
        if scanning_detector != "HAADF" or size not in SIZES:
            raise ApplicationServerException(f"no {scanning_detector} of {size} pixels")
        pixel_m = self._column.field_m / size
        scan = self._column.exposed(ScanSettings(1e9 * pixel_m, (size, size), dwell_time))
        told = BinaryResult(Point(pixel_m, pixel_m)) if self._column.tells_pixels else None
        return AdornedImage(scan.image, Metadata(told, ScanDone(dwell_time * self._column.dwells_too_long)))


@dataclass(slots=True)
class Specimen:
    stage: Stage


@dataclass(slots=True)
class Detectors:
    scanning_detectors: list[str]


@dataclass(slots=True)
class Voltage:
    value: float


@dataclass(slots=True)
class Source:
    acceleration_voltage: Voltage


def modules(column: Column) -> dict[str, ModuleType]:
    """What is imported as the vendor's package, by its modules' names."""

    class TemMicroscopeClient:
        def connect(self, host: str, port: int) -> None:
            column.called("connect")
            self.optics, self.specimen, self.acquisition = Optics(column), Specimen(Stage(column)), Acquisition(column)
            self.detectors, self.source = Detectors(["HAADF", "DF", "BF"]), Source(Voltage(300e3))

        def disconnect(self) -> None:
            column.called("disconnect")
            del self.optics, self.specimen, self.acquisition, self.detectors, self.source

    package = ModuleType("autoscript_tem_microscope_client")
    structures = ModuleType("autoscript_tem_microscope_client.structures")
    vars(structures).update(StagePosition=Axes, StageVelocity=Axes, Point=Point, AdornedImage=AdornedImage)
    vars(package).update(TemMicroscopeClient=TemMicroscopeClient, structures=structures)
    return {m.__name__: m for m in (package, structures)}
