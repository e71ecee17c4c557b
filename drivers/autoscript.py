"""A Thermo Fisher microscope through its AutoScript TEM, which tilts continuously by jogging.

The vendor's package is proprietary and was never at hand: every name here comes from scripts that others have published,
none was tried. In none of them, and so to be measured before beam time (``alloyscope devices test``): the sign of the stage's
y and z, of the defocus and of the scan's rotation, and whether that is in radians as all other angles; whether `absolute_move`
goes straight to where it is told; how soon after the stage its position follows, and how much of the time of a call that scans
is exposure; whether ``optics.defocus``, which one script calls outdated, is that of the probe; which squares besides those of
128 to 4096 pixels can be scanned. AutoScript's offline mode is not told from a real microscope: all are taken to be real.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from drivers.abilities import MicroscopeAbilities
from drivers.clock import Clock
from drivers.errors import DeviceError
from drivers.interfaces import DriverContext, Scan, ScanSettings, StagePosition

T = TypeVar("T")

_RAD = math.pi / 180.0
_OFF = 0.01
"""Relative: what is read back may differ so much from what was asked."""
_OFF_NM, _OFF_DEG = 1.0, 0.5
_TREMBLE_DEG = 0.01
"""By which the read-back of a stage that stands may change."""
_POLL_S, _MOVE_LIMIT_S = 0.05, 120.0
_AXES = {"x": ("nm", 1e-9), "y": ("nm", 1e-9), "z": ("nm", 1e-9), "a": ("deg", _RAD)}


class AutoscriptMicroscope:
    """Implements `Microscope`. Its calls block: while a frame is scanned it hears nothing, as the stage jogs on.

    Parameters
    ----------
    beam_shift_rotation_deg : by which AutoScript's beam shift (y up) is turned counterclockwise against the image; measure it
        once, published scripts have found 22.4 and -44.7. Image shifts are beam shifts, absolute from AutoScript's zero
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
        self._turn_rad = float(beam_shift_rotation_deg) * _RAD
        self._host, self._port, self._detector = host, port, detector
        self._tilt_range_deg = (float(tilt_range_deg[0]), float(tilt_range_deg[1]))
        self._client: Any = None
        self._structures: Any = None
        self._limits: dict[str, tuple[float, float]] = {}
        """Of the stage's axes, in m and rad."""
        self._kev: float | None = None
        self._scan: ScanSettings | None = None
        """What the scan was last set up for."""
        self._rotation_deg = self._defocus_nm = 0.0
        self._image_shift_nm = self._beam_shift_nm = (0.0, 0.0)
        self._jogging = False

    async def connect(self) -> None:
        """First of all the beam is blanked and the stage stopped: who was here before may have left them."""
        try:
            from autoscript_tem_microscope_client import TemMicroscopeClient, structures
        except ImportError as error:
            needs = "needs autoscript_tem_microscope_client, which comes with Thermo Fisher's AutoScript TEM only"
            advice = "install it from there into this Python (what PyPI calls autoscript is something else)"
            raise DeviceError(self.name, f"{needs}; {advice}") from error
        await self.close()
        self._client, self._structures = TemMicroscopeClient(), structures
        try:
            self._asked("connect", lambda m: m.connect(self._host, self._port))
            await self.make_safe()
            self._look_around()
        except DeviceError:
            with suppress(DeviceError):
                self._leave()
            raise
        await self._standing()

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
        for axis in _AXES:
            limits = self._asked(
                f"tell the limits of its stage in {axis}", lambda m, a=axis: m.specimen.stage.get_axis_limits(a)
            )
            self._limits[axis] = (float(limits.min), float(limits.max))
        (low, high), (low_deg, high_deg) = self._tilt_range_deg, (v / _RAD for v in self._limits["a"])
        if low < low_deg - 0.01 or high > high_deg + 0.01:
            asked = f"tilt_range_deg is {low:g} to {high:g}"
            raise DeviceError(self.name, f"{asked}, its stage allows {low_deg:.1f} to {high_deg:.1f} deg; narrow it")
        self._kev = 1e-3 * float(self._asked("tell its voltage", lambda m: m.source.acceleration_voltage.value))
        self._rotation_deg = float(self._asked("tell the scan's rotation", lambda m: m.optics.scan_rotation)) / _RAD
        self._defocus_nm = 1e9 * float(self._asked("tell its defocus", lambda m: m.optics.defocus))

    async def make_safe(self) -> None:
        try:
            await self.set_beam_blank(True)
        finally:
            if self._jogging or self._asked("tell whether its stage moves", lambda m: m.specimen.stage.is_moving):
                self._stop_jogging()

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
        return self._tilt_range_deg

    async def move_to(self, position: StagePosition) -> None:
        """What the stage would refuse or clamp is refused before it moves."""
        self._in_range(position.tilt_deg)
        asked = {"x": position.x_nm, "y": position.y_nm, "z": position.z_nm, "a": position.tilt_deg}
        place = {axis: asked[axis] * unit for axis, (_, unit) in _AXES.items()}
        for axis, (low, high) in self._limits.items():
            if not low <= place[axis] <= high:
                told, unit = _AXES[axis]
                limits = f"its stage allows {low / unit:.6g} to {high / unit:.6g}"
                raise DeviceError(self.name, f"asked to move to {axis} = {asked[axis]:g} {told}, {limits}; stay within")
        await self._go(**place)

    async def read_stage(self) -> StagePosition:
        return self._stage()

    def _stage(self) -> StagePosition:
        at = self._asked("tell its stage's position", lambda m: m.specimen.stage.position)
        return StagePosition(1e9 * at.x, 1e9 * at.y, 1e9 * at.z, at.a / _RAD)

    async def _go(self, **place: float) -> None:
        """In m and rad; axes that are left out stay. Over when the stage stands where it was asked to tilt to."""
        if self._jogging:
            self._stop_jogging()
        await self._standing()
        self._asked("move its stage", lambda m: m.specimen.stage.absolute_move(self._structures.StagePosition(**place)))
        await self._standing()
        found_deg, asked_deg = self._stage().tilt_deg, place["a"] / _RAD
        if abs(found_deg - asked_deg) > _OFF_DEG:
            raise DeviceError(
                self.name, f"asked to tilt to {asked_deg:g} deg, it stands at {found_deg:.2f}; look at it"
            )

    async def _standing(self) -> None:
        until_s = self._clock.now() + _MOVE_LIMIT_S
        while self._asked("tell whether its stage moves", lambda m: m.specimen.stage.is_moving):
            if self._clock.now() > until_s:
                raise DeviceError(self.name, f"its stage still moves after {_MOVE_LIMIT_S:g} s; stop it by hand")
            await self._clock.sleep(_POLL_S)

    def _in_range(self, tilt_deg: float) -> None:
        low, high = self._tilt_range_deg
        if not low <= tilt_deg <= high:
            asked = f"asked to tilt to {tilt_deg:g} deg"
            raise DeviceError(self.name, f"{asked}, tilt_range_deg is {low:g} to {high:g}; lower the tilt range")

    async def set_beam_blank(self, blanked: bool) -> None:
        """And see that it has been done."""
        what = "blank" if blanked else "unblank"
        self._asked(f"{what} the beam", lambda m: getattr(m.optics.blanker, what)())
        if bool(self._asked("tell whether its beam is blanked", lambda m: m.optics.blanker.is_beam_blanked)) != blanked:
            raise DeviceError(self.name, f"asked to {what} the beam, and has not; check the microscope by hand")

    async def set_defocus(self, defocus_nm: float) -> None:
        self._asked("set its defocus", lambda m: setattr(m.optics, "defocus", 1e-9 * defocus_nm))
        self._defocus_nm = 1e9 * float(self._asked("tell its defocus", lambda m: m.optics.defocus))
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
        shift = self._structures.Point(x=1e-9 * x_nm, y=1e-9 * y_nm) if self._structures else None
        self._asked("shift its beam", lambda m: setattr(m.optics.deflectors, "beam_shift", shift))
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

        The exposure is somewhere between the two readings of the tilt: `swept_deg`, their difference, is the most that it can be.
        The stage is stopped whatever happens, and moved on to `to_deg` only at the end of the way. A frame that hangs leaves it
        jogging to the microscope's own limit.
        """
        self._in_range(to_deg)
        if not 0.0 < rate_deg_per_s < math.inf:
            raise DeviceError(self.name, f"asked to tilt at {rate_deg_per_s:g} deg/s; write a rate above 0")
        self._set_up(settings)
        await self._standing()
        start_deg = self._stage().tilt_deg
        way = math.copysign(1.0, to_deg - start_deg)
        frame_s = 1.2 * settings.frame_s + 0.2
        began_s = self._clock.now()
        # Whoever takes the frames may be slow to ask for the next one.
        timer = self._clock.call_later(abs(to_deg - start_deg) / rate_deg_per_s, self._way_is_over)
        try:
            self._start_jogging(way * rate_deg_per_s)
            while self._jogging:
                tilted_deg, asked_s = way * (self._stage().tilt_deg - start_deg), self._clock.now()
                self._tilts_as_asked(tilted_deg, rate_deg_per_s, asked_s - began_s)
                if abs(to_deg - start_deg) - tilted_deg < rate_deg_per_s * frame_s:
                    break
                yield self._frame(settings)
                frame_s = max(frame_s, 1.2 * self._took_s)
        finally:
            timer.cancel()
            if self._jogging:
                self._stop_jogging()
        await self._go(a=to_deg * _RAD)
        yield self._frame(settings)

    def _tilts_as_asked(self, tilted_deg: float, rate_deg_per_s: float, after_s: float) -> None:
        """A stage that stands, turns the other way or takes radians for degrees is not followed any further."""
        expected_deg = rate_deg_per_s * after_s
        if abs(tilted_deg - expected_deg) > 0.5 * expected_deg + 1.0:
            found = f"after {after_s:.2f} s it had tilted by {tilted_deg:.2f} deg instead of {expected_deg:.2f}"
            raise DeviceError(
                self.name, f'asked to tilt at {rate_deg_per_s:g} deg/s, {found}; write tilt.mode = "stepped"'
            )

    def _start_jogging(self, deg_per_s: float) -> None:
        self._jogging = True
        velocity = self._structures.StageVelocity(a=deg_per_s * _RAD)
        self._asked("jog its stage", lambda m: m.specimen.stage.start_jogging(velocity))

    def _way_is_over(self) -> None:
        with suppress(DeviceError):  # the end of the sweep tries again
            self._stop_jogging()

    def _stop_jogging(self) -> None:
        """Asked three times: a stage that goes on is worse than a sweep that is lost."""
        for left in (2, 1, 0):
            try:
                self._asked("stop its stage", lambda m: m.specimen.stage.stop_jogging())
            except DeviceError as error:
                if not left:
                    raise DeviceError(self.name, f"its stage may still tilt, stop it by hand ({error})") from error
            else:
                self._jogging = False
                return

    def _frame(self, settings: ScanSettings) -> Scan:
        """With the tilt in the middle between its readings before and after."""
        before, began_s = self._stage(), self._clock.now()
        taken = self._asked(
            "scan a frame",
            lambda m: m.acquisition.acquire_stem_image(self._detector, settings.shape[1], settings.dwell_s),
        )
        ended_s, after = self._clock.now(), self._stage()
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
