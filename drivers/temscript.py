"""A Thermo Fisher (FEI) microscope through the package temscript: its server on the microscope's PC, or local COM.

The package is imported in `connect`, in the thread in which every later call is made, as COM asks for. Its server does
one thing at a time: while a frame is scanned it hears nothing. There is no pixel size on this wire, only a
magnification, so the width of the field at one magnification has to be measured once.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import numpy as np

from drivers.abilities import MicroscopeAbilities
from drivers.clock import Clock
from drivers.errors import DeviceError
from drivers.interfaces import DriverContext, Scan, ScanSettings, StagePosition

T = TypeVar("T")

_FULL = 2048
_SIZES = {"FULL": 1, "HALF": 2, "QUARTER": 4}
_BINNINGS = (1, 2, 4, 8)
_SHAPES = tuple(sorted({(_FULL // s // b, _FULL // s // b) for s in _SIZES.values() for b in _BINNINGS}))
_RAD = math.pi / 180.0


class TemscriptMicroscope:
    """Implements `Microscope`.

    Parameters
    ----------
    field_nm_at_1x : width of the scanned field times the STEM magnification, in nm; measure it once on a grating
    host, port : of ``temscript-server``; an empty host takes the COM interface of this computer
    detector : as the microscope calls it
    tilt_range_deg : what the holder allows; held against the stage's own limits when connected
    timeout_s : for one call, a frame's own time comes on top
    """

    abilities = MicroscopeAbilities(sweeps=False, interrupts=False, defocuses=False, shapes=_SHAPES)

    def __init__(
        self,
        name: str,
        context: DriverContext,
        field_nm_at_1x: float,
        host: str = "",
        port: int = 8080,
        detector: str = "HAADF",
        tilt_range_deg: tuple[float, float] = (-70.0, 70.0),
        timeout_s: float = 15.0,
    ) -> None:
        self.name = name
        self.simulated = False
        self._clock: Clock = context.clock
        self._field_nm_at_1x, self._detector, self._timeout_s = field_nm_at_1x, detector, timeout_s
        self._host, self._port = host, port
        self._tilt_range_deg = (float(tilt_range_deg[0]), float(tilt_range_deg[1]))
        self._remote: Any = None
        self._kev: float | None = None
        self._scan: ScanSettings | None = None
        """What the scan was last set up for."""
        self._rotation_deg = 0.0
        self._image_shift_nm = self._beam_shift_nm = (0.0, 0.0)

    async def connect(self) -> None:
        family = self._asked("tell what it is", lambda m: m.get_family())
        self.simulated = str(family).upper().startswith("SIMULATED")
        found = self._asked("list its detectors", lambda m: m.get_stem_detectors())
        if self._detector not in found:
            names = ", ".join(map(str, found)) or "none; is it in STEM mode, with the detector inserted?"
            raise DeviceError(self.name, f"has no STEM detector {self._detector!r}; it has: {names}")
        limits = self._asked("tell the limits of its stage", lambda m: m.get_stage_limits())
        low_deg, high_deg = (float(v) / _RAD for v in limits["a"])
        low, high = self._tilt_range_deg
        if low < low_deg - 0.01 or high > high_deg + 0.01:
            asked = f"tilt_range_deg is {low:g} to {high:g}"
            raise DeviceError(self.name, f"{asked}, its stage allows {low_deg:.1f} to {high_deg:.1f} deg; narrow it")
        self._kev = float(self._asked("tell its voltage", lambda m: m.get_voltage()))
        self._rotation_deg = float(self._asked("tell the scan's rotation", lambda m: m.get_stem_rotation())) / _RAD
        await self.set_beam_blank(True)

    async def make_safe(self) -> None:
        await self.set_beam_blank(True)

    async def close(self) -> None:
        try:
            await self.set_beam_blank(True)
        finally:
            self._remote = None

    def tilt_range_deg(self) -> tuple[float, float]:
        return self._tilt_range_deg

    async def move_to(self, position: StagePosition) -> None:
        """What the stage would clamp in silence is refused."""
        low, high = self._tilt_range_deg
        if not low <= position.tilt_deg <= high:
            asked = f"asked to tilt to {position.tilt_deg:g} deg"
            raise DeviceError(self.name, f"{asked}, tilt_range_deg is {low:g} to {high:g}; lower the tilt range")
        place = {
            "x": 1e-9 * position.x_nm,
            "y": 1e-9 * position.y_nm,
            "z": 1e-9 * position.z_nm,
            "a": position.tilt_deg * _RAD,
        }
        self._asked("move its stage", lambda m: m.set_stage_position(place, method="GO"), extra_s=120.0)

    async def read_stage(self) -> StagePosition:
        at = self._asked("tell its stage's position", lambda m: m.get_stage_position())
        return StagePosition(1e9 * at["x"], 1e9 * at["y"], 1e9 * at["z"], at["a"] / _RAD)

    async def set_beam_blank(self, blanked: bool) -> None:
        """And see that it has been done."""
        what = "blank" if blanked else "unblank"
        self._asked(f"{what} the beam", lambda m: m.set_beam_blanked(blanked))
        if bool(self._asked("tell whether its beam is blanked", lambda m: m.get_beam_blanked())) is not blanked:
            raise DeviceError(self.name, f"asked to {what} the beam, and has not; check the microscope by hand")

    async def set_defocus(self, defocus_nm: float) -> None:
        """The probe's defocus can only be read on this wire."""
        if defocus_nm:
            raise DeviceError(
                self.name, f"asked for a defocus of {defocus_nm:g} nm, but this wire cannot focus a probe"
            )

    async def shift_beam(self, dy_nm: float, dx_nm: float) -> None:
        self._beam_shift_nm = (dy_nm, dx_nm)
        self._shift()

    async def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        """A scanned image is shifted by the probe: content moves the other way."""
        self._image_shift_nm = (dy_nm, dx_nm)
        self._shift()

    def _shift(self) -> None:
        dy_nm, dx_nm = (b - i for b, i in zip(self._beam_shift_nm, self._image_shift_nm, strict=True))
        self._asked("shift its beam", lambda m: m.set_beam_shift((1e-9 * dx_nm, 1e-9 * dy_nm)))

    async def scan(self, settings: ScanSettings) -> Scan:
        if settings != self._scan:
            self._set_up(settings)
        began_s = self._clock.now()
        images = self._asked("scan a frame", lambda m: m.acquire(self._detector), extra_s=3.0 * settings.frame_s)
        ended_s = self._clock.now()
        image = images.get(self._detector)
        if image is None or image.shape != settings.shape:
            found = "nothing" if image is None else f"{image.shape} pixels"
            self._scan = None
            raise DeviceError(self.name, f"asked for {settings.shape} pixels of {self._detector}, it gave {found}")
        return Scan(
            image=np.asarray(image),
            time_s=max(began_s, ended_s - 0.5 * settings.frame_s),
            stage=await self.read_stage(),
            pixel_nm=settings.pixel_nm,
            image_shift_nm=self._image_shift_nm,
            detector=self._detector,
            beam_kev=self._kev,
            rotation_deg=self._rotation_deg,
        )

    async def sweep(self, settings: ScanSettings, to_deg: float, rate_deg_per_s: float) -> AsyncGenerator[Scan, None]:
        """Its stage is waited for, so nothing can be scanned meanwhile."""
        raise DeviceError(self.name, 'cannot scan while it tilts; write tilt.mode = "stepped"')
        yield

    def _set_up(self, settings: ScanSettings) -> None:
        """Magnification, size and dwell, as far as they can be had: the pixel size is what was asked, or nothing."""
        pixels = settings.shape[1]
        if settings.shape not in _SHAPES:
            sizes = ", ".join(str(n) for n, _ in _SHAPES)
            raise DeviceError(self.name, f"asked for {settings.shape} pixels, images are squares of {sizes}")
        size, binning = next(
            (size, _FULL // part // pixels)
            for size, part in _SIZES.items()
            if _FULL // part % pixels == 0 and _FULL // part // pixels in _BINNINGS
        )
        wanted = self._field_nm_at_1x / (pixels * settings.pixel_nm)
        asked = {"image_size": size, "binning": binning, "dwell_time(s)": settings.dwell_s}
        self._asked("set up its scan", lambda m: m.set_stem_acquisition_param(asked))
        self._asked("set its magnification", lambda m: m.set_stem_magnification(wanted))
        found = float(self._asked("tell its magnification", lambda m: m.get_stem_magnification()))
        if abs(found / wanted - 1.0) > 0.01:
            pixel_nm = self._field_nm_at_1x / (pixels * found)
            nearest = f"its nearest magnification gives pixels of {pixel_nm:.4g} nm"
            raise DeviceError(self.name, f"asked for pixels of {settings.pixel_nm:g} nm, {nearest}; write that instead")
        dwell_s = float(self._asked("tell its scan", lambda m: m.get_stem_acquisition_param())["dwell_time(s)"])
        if abs(dwell_s / settings.dwell_s - 1.0) > 0.01:
            found_us = f"it has set {1e6 * dwell_s:.3g}"
            raise DeviceError(self.name, f"asked for {1e6 * settings.dwell_s:g} us a pixel, {found_us}; write that")
        self._scan = settings

    def _asked(self, asked: str, call: Callable[[Any], T], *, extra_s: float = 0.0) -> T:
        """A call whose failure is told; a client that has failed once cannot be used again."""
        try:
            if self._remote is None:
                self._remote = self._client()
            if self._host:
                self._remote.timeout = self._remote._conn.timeout = self._timeout_s + extra_s  # of the next connection
            return call(self._remote)
        except DeviceError:
            raise
        except Exception as error:
            self._remote = self._scan = None
            said = str(error) or type(error).__name__
            where = f"temscript at {self._host}:{self._port}" if self._host else "temscript"
            raise DeviceError(self.name, f"asked to {asked}, {where} said: {said}") from error

    def _client(self) -> Any:
        try:
            import temscript
        except ImportError as error:
            raise DeviceError(self.name, "needs the package temscript: pip install 'alloyscope[temscript]'") from error
        if self._host:
            return temscript.RemoteMicroscope((self._host, self._port), timeout=self._timeout_s)
        return temscript.Microscope()
