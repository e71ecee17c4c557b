"""A Thermo Fisher microscope through its AutoScript TEM, which tilts continuously by jogging.

The vendor's package is proprietary and was never at hand: every name here comes from scripts that others have
published, none was tried. None of them tells, and it is to be measured before beam time (``alloyscope devices test``):

- the signs of the stage's y and z, of the defocus and of the scan's rotation, and whether that is in radians;
- whether ``absolute_move`` goes straight to where it is told, and comes back before the stage stands;
- how soon the position that is read follows a stage that jogs, at which rates it can, and whether its limits stop it;
- how much of the time of a call that scans is exposure, and where in it;
- whether every version has ``optics.blanker``, as those of late do, and refuses a call that it cannot do;
- whether ``optics.defocus``, which one script calls outdated, is the probe's in every version;
- which squares besides those of 128 to 4096 pixels can be scanned.

AutoScript's offline mode is not told from a real microscope: whatever answers is taken to be real.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from drivers.abilities import MicroscopeAbilities
from drivers.autoscript_stage import RAD, AutoscriptStage
from drivers.clock import Clock
from drivers.errors import DeviceError
from drivers.interfaces import DriverContext, Scan, ScanSettings, StagePosition

T = TypeVar("T")

_OFF, _OFF_NM = 0.01, 1.0
"""What is read back may differ so much from what was asked, as a fraction of it or in nm."""
_TREMBLE_DEG = 0.01
"""By which the read-back of a stage that stands may change."""


class AutoscriptMicroscope:
    """Implements `Microscope`. Its calls block: while a frame is scanned it hears nothing, as the stage jogs on.

    Parameters
    ----------
    beam_shift_rotation_deg : by which AutoScript's beam shift (y up) is turned counterclockwise against the image, as
        seen on it; published scripts have found 22.4 and -44.7. Measure it once with 0 here: content that is asked to
        shift to larger x goes off by it. Shifts are absolute, from AutoScript's zero
    host, port : of the AutoScript server
    detector : as the microscope calls it
    tilt_range_deg : what the holder allows; held against the stage's own limits when connected
    """

    abilities = MicroscopeAbilities(interrupts=False, shapes=tuple((n, n) for n in (128, 256, 512, 1024, 2048, 4096)))

    def __init__(
        self,
        name: str,
        context: DriverContext,
        beam_shift_rotation_deg: float,
        host: str = "localhost",
        port: int = 9095,
        detector: str = "HAADF",
        tilt_range_deg: tuple[float, float] = (-70.0, 70.0),
    ) -> None:
        self.name = name
        self.simulated = False
        self._clock: Clock = context.clock
        self._turn_rad = float(beam_shift_rotation_deg) * RAD
        self._host, self._port, self._detector = host, port, detector
        allowed_deg = (float(tilt_range_deg[0]), float(tilt_range_deg[1]))
        self._stage = AutoscriptStage(name, context.clock, self._asked, allowed_deg)
        self._client: Any = None
        self._kev: float | None = None
        self._scan: ScanSettings | None = None
        """What the scan was last set up for."""
        self._rotation_deg = self._defocus_nm = 0.0
        self._image_shift_nm = self._beam_shift_nm = (0.0, 0.0)
        self._took_s = 0.0
        """The last call that scanned."""

    async def connect(self) -> None:
        """First of all the beam is blanked and the stage stopped: who was here before may have left them."""
        try:
            from autoscript_tem_microscope_client import TemMicroscopeClient, structures
        except ImportError as error:
            needs = "needs autoscript_tem_microscope_client, which comes with Thermo Fisher's AutoScript TEM only"
            advice = "install it from there into this Python (what PyPI calls autoscript is something else)"
            raise DeviceError(self.name, f"{needs} ({error}); {advice}") from error
        with suppress(DeviceError):  # an old connection may be dead
            await self.close()
        self._client, self._stage.structures = TemMicroscopeClient(), structures
        try:
            self._asked("connect", lambda m: m.connect(self._host, self._port))
            await self.make_safe()
            self._look_around()
            await self._stage.standing()
        except BaseException:
            with suppress(DeviceError):
                self._leave()
            raise

    def _look_around(self) -> None:
        """Raises `DeviceError` for what the session file takes for granted and is not there."""
        mode = str(self._asked("tell its optical mode", lambda m: m.optics.optical_mode))
        if mode.upper() != "STEM":
            raise DeviceError(self.name, f"is in the optical mode {mode!r}; switch it to STEM")
        found = [str(d) for d in self._asked("list its detectors", lambda m: m.detectors.scanning_detectors)]
        if self._detector not in found:
            raise DeviceError(
                self.name, f"has no STEM detector {self._detector!r}; it has: {', '.join(found) or 'none'}"
            )
        self._stage.learn_limits()
        self._kev = self._asked("tell its voltage", lambda m: 1e-3 * float(m.source.acceleration_voltage.value))
        self._rotation_deg = self._asked("tell the scan's rotation", lambda m: float(m.optics.scan_rotation) / RAD)
        self._defocus_nm = self._asked("tell its defocus", lambda m: 1e9 * float(m.optics.defocus))

    async def make_safe(self) -> None:
        try:
            await self.set_beam_blank(True)
        finally:
            if self._stage.jogging or self._stage.moves():
                self._stage.stop_jogging()

    async def close(self) -> None:
        if self._client is None:
            return
        try:
            await self.make_safe()
        finally:
            self._leave()

    def _leave(self) -> None:
        try:
            self._asked("disconnect", lambda m: m.disconnect())
        finally:
            self._client = self._scan = None

    def tilt_range_deg(self) -> tuple[float, float]:
        return self._stage.tilt_range_deg

    async def move_to(self, position: StagePosition) -> None:
        await self._stage.move_to(position)

    async def read_stage(self) -> StagePosition:
        return self._stage.read()

    async def set_beam_blank(self, blanked: bool) -> None:
        """And see that it has been done."""
        what = "blank" if blanked else "unblank"
        self._asked(f"{what} the beam", lambda m: getattr(m.optics.blanker, what)())
        if bool(self._asked("tell whether its beam is blanked", lambda m: m.optics.blanker.is_beam_blanked)) != blanked:
            raise DeviceError(self.name, f"asked to {what} the beam, and has not; check the microscope by hand")

    async def set_defocus(self, defocus_nm: float) -> None:
        self._asked("set its defocus", lambda m: setattr(m.optics, "defocus", 1e-9 * defocus_nm))
        self._defocus_nm = self._asked("tell its defocus", lambda m: 1e9 * float(m.optics.defocus))
        if abs(self._defocus_nm - defocus_nm) > _OFF_NM + _OFF * abs(defocus_nm):
            found = f"it has set {self._defocus_nm:.4g}"
            raise DeviceError(
                self.name, f"asked for a defocus of {defocus_nm:g} nm, {found}; write that, or focus by hand"
            )

    async def shift_beam(self, dy_nm: float, dx_nm: float) -> None:
        self._beam_shift_nm = (dy_nm, dx_nm)
        self._shift()

    async def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        """A scanned image is shifted by the probe: content moves the other way."""
        self._image_shift_nm = (dy_nm, dx_nm)
        self._shift()

    def _shift(self) -> None:
        down_nm, right_nm = (b - i for b, i in zip(self._beam_shift_nm, self._image_shift_nm, strict=True))
        cos, sin = math.cos(self._turn_rad), math.sin(self._turn_rad)
        x_nm, y_nm = cos * right_nm - sin * down_nm, -(sin * right_nm + cos * down_nm)
        made = {"x": 1e-9 * x_nm, "y": 1e-9 * y_nm}
        self._asked(
            "shift its beam", lambda m: setattr(m.optics.deflectors, "beam_shift", self._stage.structures.Point(**made))
        )
        found = self._asked("tell its beam shift", lambda m: m.optics.deflectors.beam_shift)
        off_nm = math.hypot(1e9 * found.x - x_nm, 1e9 * found.y - y_nm)
        if off_nm > _OFF_NM + _OFF * math.hypot(x_nm, y_nm):
            asked = f"asked for a beam shift of ({x_nm:.1f}, {y_nm:.1f}) nm"
            told = f"it has set ({1e9 * found.x:.1f}, {1e9 * found.y:.1f})"
            raise DeviceError(self.name, f"{asked}, {told}; move the stage instead")

    async def scan(self, settings: ScanSettings) -> Scan:
        self._set_up(settings)
        return self._frame(settings)

    async def sweep(self, settings: ScanSettings, to_deg: float, rate_deg_per_s: float) -> AsyncGenerator[Scan, None]:
        """Frames while the stage jogs, none begun that would end beyond `to_deg`, and a last one standing there.

        The exposure is somewhere between the two readings of the tilt: their difference, `swept_deg`, is the most that
        it can be. The stage is stopped whatever happens, and moved on to `to_deg` only at the end of the way. A frame
        that hangs leaves it jogging, as far as the microscope lets it.
        """
        self._stage.check_tilt(to_deg)
        if not 0.0 < rate_deg_per_s < math.inf:
            raise DeviceError(self.name, f"asked to tilt at {rate_deg_per_s:g} deg/s; write a rate above 0")
        self._set_up(settings)
        await self._stage.standing()
        start_deg = self._stage.read().tilt_deg
        way, whole_deg = math.copysign(1.0, to_deg - start_deg), abs(to_deg - start_deg)
        frame_s, began_s = 1.2 * settings.frame_s + 0.2, self._clock.now()
        # Whoever takes the frames may be slow to ask for the next one.
        timer = self._clock.call_later(whole_deg / rate_deg_per_s, self._stage.way_is_over)
        try:
            if whole_deg > rate_deg_per_s * frame_s:
                self._stage.start_jogging(way * rate_deg_per_s)
            while self._stage.jogging:
                tilted_deg = way * (self._stage.read().tilt_deg - start_deg)
                self._check_rate(tilted_deg, rate_deg_per_s, self._clock.now() - began_s)
                if whole_deg - tilted_deg < rate_deg_per_s * frame_s:
                    break
                yield self._frame(settings)
                frame_s = max(frame_s, 1.2 * self._took_s)
        finally:
            timer.cancel()
            if self._stage.jogging:
                self._stage.stop_jogging()
        await self._stage.tilt_to(to_deg)
        yield self._frame(settings)

    def _check_rate(self, tilted_deg: float, rate_deg_per_s: float, after_s: float) -> None:
        """A stage that stands, turns the other way or takes radians for degrees is not followed any further."""
        expected_deg = rate_deg_per_s * after_s
        if abs(tilted_deg - expected_deg) > 0.5 * expected_deg + 1.0:
            asked = f"asked to tilt at {rate_deg_per_s:g} deg/s"
            found = f"after {after_s:.2f} s it had tilted by {tilted_deg:.2f} deg instead of {expected_deg:.2f}"
            raise DeviceError(self.name, f'{asked}, {found}; write tilt.mode = "stepped"')

    def _frame(self, settings: ScanSettings) -> Scan:
        """With the tilt in the middle between its readings before and after."""
        before, began_s = self._stage.read(), self._clock.now()
        taken = self._asked(
            "scan a frame",
            lambda m: m.acquisition.acquire_stem_image(self._detector, settings.shape[1], settings.dwell_s),
        )
        ended_s, after = self._clock.now(), self._stage.read()
        self._took_s = ended_s - began_s
        swept_deg = abs(after.tilt_deg - before.tilt_deg)
        image = np.asarray(taken.data)
        if image.shape != settings.shape:
            self._scan = None
            raise DeviceError(
                self.name, f"asked for {settings.shape} pixels of {self._detector}, it gave {image.shape}"
            )
        return Scan(
            image=image,
            time_s=0.5 * (began_s + ended_s),
            stage=StagePosition(after.x_nm, after.y_nm, after.z_nm, 0.5 * (before.tilt_deg + after.tilt_deg)),
            pixel_nm=self._pixel_nm(taken.metadata, settings),
            defocus_nm=self._defocus_nm,
            image_shift_nm=self._image_shift_nm,
            swept_deg=swept_deg if swept_deg > _TREMBLE_DEG else 0.0,
            detector=self._detector,
            beam_kev=self._kev,
            rotation_deg=self._rotation_deg,
        )

    def _set_up(self, settings: ScanSettings) -> None:
        """The width of the field; whether it was had, an image's metadata tell."""
        if settings.shape not in self.abilities.shapes:
            sizes = ", ".join(str(n) for n, _ in self.abilities.shapes)
            raise DeviceError(self.name, f"asked for {settings.shape} pixels, images are squares of {sizes}")
        if settings != self._scan:
            field_m = 1e-9 * settings.pixel_nm * settings.shape[1]
            self._asked("set its field of view", lambda m: setattr(m.optics, "scan_field_of_view", field_m))
            self._scan = settings

    def _pixel_nm(self, metadata: Any, settings: ScanSettings) -> float:
        """As an image's metadata tell it, and the dwell as well where they do."""
        size = getattr(getattr(metadata, "binary_result", None), "pixel_size", None)
        if size is None:
            raise DeviceError(
                self.name, "its image does not tell its pixel size; this version of AutoScript is of no use"
            )
        x_nm, y_nm = 1e9 * float(size.x), 1e9 * float(size.y)
        if max(abs(x_nm / settings.pixel_nm - 1.0), abs(y_nm / settings.pixel_nm - 1.0)) > _OFF:
            self._scan = None
            found = f"its image has {x_nm:.4g} x {y_nm:.4g}"
            raise DeviceError(self.name, f"asked for pixels of {settings.pixel_nm:g} nm, {found}; write that instead")
        dwell_s = getattr(getattr(metadata, "scan_settings", None), "dwell_time", None)
        if dwell_s is not None and abs(dwell_s / settings.dwell_s - 1.0) > _OFF:
            found = f"it has taken {1e6 * dwell_s:.3g}"
            raise DeviceError(self.name, f"asked for {1e6 * settings.dwell_s:g} us a pixel, {found}; write that")
        return x_nm

    def _asked(self, asked: str, call: Callable[[Any], T]) -> T:
        """A call whose failure is told."""
        if self._client is None:
            raise DeviceError(self.name, f"asked to {asked}, but is not connected; connect it first")
        try:
            return call(self._client)
        except Exception as error:
            self._scan = None
            said = str(error) or type(error).__name__
            raise DeviceError(
                self.name, f"asked to {asked}, AutoScript at {self._host}:{self._port} said: {said}"
            ) from error
