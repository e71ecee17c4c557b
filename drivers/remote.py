"""Instruments behind a device host on another computer (`drivers.device_host`): the backend ``remote``.

[chip]
backend = "remote"
options = { address = "tcp://heater-pc:5560", key = "operator.key" }
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import msgspec
import numpy as np

from drivers.abilities import ChipAbilities, MicroscopeAbilities
from drivers.errors import ConfigError, DeviceError, LimitExceeded
from drivers.interfaces import DriverContext, EdxSettings, HeaterReading, Scan, ScanSettings, StagePosition, XRays
from drivers.remote_line import Kind, RemoteLine
from drivers.remote_messages import FarDevice, FarReading, FarScan, pixels_of

T = TypeVar("T")


class _Remote:
    """What all devices have in common.

    Parameters
    ----------
    address : ``tcp://HOST:PORT`` of the device host
    key : file of an operator's key, from the session file; not needed for a host on this computer
    limit_s : for one call, or one frame; ramps and frames get their own duration as well
    silence_s : without a sign of life from the host, while it is asked for something
    """

    kind: Kind

    def __init__(
        self,
        name: str,
        context: DriverContext,
        address: str,
        key: str = "",
        limit_s: float = 300.0,
        silence_s: float = 3.0,
    ) -> None:
        self.name = name
        self._log = context.log
        self._clock = context.clock
        key_file = context.origin / key if key else None
        self._line = RemoteLine(name, self.kind, context.clock, address, key_file, limit_s, silence_s)

    @property
    def simulated(self) -> bool:
        """Known once it is connected; until then it is taken for an instrument."""
        return self._line.far is not None and self._line.far.simulated

    @property
    def time_error_s(self) -> float:
        """By which times of this device may be wrong on the session's clock, at most."""
        return self._line.clock.error_s(self._clock.now())

    async def connect(self) -> None:
        far = await self._line.connect()
        try:
            self._check(far)
        except Exception:
            await self._line.close()
            raise
        self._log.info("%s: %s, times good to %.4f s", self.name, self._line.place, self.time_error_s)

    def _check(self, far: FarDevice) -> None:
        """Raise `DeviceError` where the device is not what the session was checked against."""

    async def make_safe(self) -> None:
        await self._line.ask("make_safe", {})

    async def close(self) -> None:
        await self._line.close()

    def _frame_limit_s(self, settings: ScanSettings) -> float:
        return self._line.limit_s + settings.frame_s

    def _told(self, value: Any, kind: type[T]) -> T:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise DeviceError(self.name, f"{self._line.place} told what cannot be understood ({error})") from error

    async def _scan_of(self, value: Any, parts: list[bytes]) -> Scan:
        far = self._told(value, FarScan)
        try:
            image, counted = pixels_of(far.shape, far.dtype, far.crc32, parts)
        except (ValueError, TypeError) as error:
            raise DeviceError(self.name, f"{self._line.place} sent what is no image: {error}") from error
        fields = {f: getattr(far, f) for f in far.__struct_fields__ if f not in ("shape", "dtype", "crc32", "x_rays")}
        x_rays = None
        if far.x_rays is not None:
            x_rays = XRays(np.frombuffer(bytearray(counted), "<u4"), **msgspec.structs.asdict(far.x_rays))
        fields["time_s"] = await self._line.session_s(far.time_s)
        return Scan(image=image, x_rays=x_rays, **fields)


class RemoteChip(_Remote):
    """Implements `HeatingChip`."""

    kind = "chip"

    @property
    def abilities(self) -> ChipAbilities:
        """Of the far instrument, once it is connected."""
        return ChipAbilities() if self._line.far is None else _able(ChipAbilities, self._line.far, pulses=False)

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        able = self.abilities
        if able.max_c is not None and target_c > able.max_c:
            words = f"{target_c:g} C was asked, the instrument ends at {able.max_c:g} C; lower the plan"
            raise LimitExceeded(self.name, words)
        if able.max_ramp_c_per_s is not None and rate_c_per_s > able.max_ramp_c_per_s:
            words = f"{rate_c_per_s:g} C/s were asked, the instrument ramps at {able.max_ramp_c_per_s:g} C/s at most"
            raise LimitExceeded(self.name, f"{words}; lower chip.ramp_c_per_s")
        asked = {"target_c": target_c, "rate_c_per_s": rate_c_per_s}
        longest_s = self._line.limit_s + abs(target_c) / rate_c_per_s
        await self._line.ask("ramp_to", asked, limit_s=longest_s)

    async def quench(self) -> None:
        await self._line.ask("quench", {}, again=True)

    async def read(self) -> HeaterReading:
        far = self._told(await self._line.ask("read", {}, again=True), FarReading)
        return HeaterReading(
            time_s=await self._line.session_s(far.time_s),
            temperature_c=math.nan if far.temperature_c is None else far.temperature_c,
            setpoint_c=math.nan if far.setpoint_c is None else far.setpoint_c,
            resistance_ohm=far.resistance_ohm,
            power_mw=far.power_mw,
            temperature_std_c=far.temperature_std_c,
            period_s=far.period_s,
            stamped_by="device",
        )


class RemoteMicroscope(_Remote):
    """Implements `Microscope`.

    Parameters
    ----------
    tilt_range_deg : of the holder, for `check`, before anything is connected; the far side must have at least this
    abilities : fields of `MicroscopeAbilities`, such as ``{ sweeps = false }``; the far side must be able to do as much
    """

    kind = "microscope"

    def __init__(
        self,
        name: str,
        context: DriverContext,
        address: str,
        tilt_range_deg: Sequence[float],
        key: str = "",
        abilities: Mapping[str, Any] | None = None,
        limit_s: float = 300.0,
        silence_s: float = 3.0,
    ) -> None:
        super().__init__(name, context, address, key, limit_s, silence_s)
        known = {field.name for field in dataclasses.fields(MicroscopeAbilities)}
        try:
            low, high = msgspec.convert(tilt_range_deg, tuple[float, float])
            self._declared = msgspec.convert(dict(abilities or {}), MicroscopeAbilities)
        except msgspec.ValidationError as error:
            raise ConfigError(
                "microscope.options", [f"tilt_range_deg is [low, high], abilities a table: {error}"]
            ) from error
        problems = [f"abilities: no {a!r}; there are {', '.join(sorted(known))}" for a in set(abilities or {}) - known]
        if not low <= high:
            problems.append(f"tilt_range_deg: {low:g} to {high:g} deg is no range; write [low, high]")
        if problems:
            raise ConfigError("microscope.options", problems)
        self._range_deg = low, high

    @property
    def abilities(self) -> MicroscopeAbilities:
        """As declared, which `connect` has verified."""
        return self._declared

    def _check(self, far: FarDevice) -> None:
        wrong = []
        low, high = far.tilt_range_deg or (-math.inf, math.inf)
        if self._range_deg[0] < low or self._range_deg[1] > high:
            wrong.append(f"its holder tilts from {low:g} to {high:g} deg: write tilt_range_deg = [{low:g}, {high:g}]")
        found = _able(MicroscopeAbilities, far)
        wrong += [f"write abilities.{line}" for line in _lacking(self._declared, found)]
        if wrong:
            words = "the instrument is not as the session file says; under microscope.options "
            raise DeviceError(self.name, f"{words}{', '.join(wrong)}, then check again")

    def tilt_range_deg(self) -> tuple[float, float]:
        return self._range_deg

    async def move_to(self, position: StagePosition) -> None:
        await self._line.ask("move_to", {"position": {name: float(at) for name, at in asdict(position).items()}})

    async def read_stage(self) -> StagePosition:
        return self._told(await self._line.ask("read_stage", {}, again=True), StagePosition)

    async def set_beam_blank(self, blanked: bool) -> None:
        await self._line.ask("set_beam_blank", {"blanked": bool(blanked)}, again=bool(blanked))

    async def set_defocus(self, defocus_nm: float) -> None:
        await self._line.ask("set_defocus", {"defocus_nm": float(defocus_nm)})

    async def shift_beam(self, dy_nm: float, dx_nm: float) -> None:
        await self._line.ask("shift_beam", {"dy_nm": float(dy_nm), "dx_nm": float(dx_nm)})

    async def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        await self._line.ask("shift_image", {"dy_nm": float(dy_nm), "dx_nm": float(dx_nm)})

    async def scan(self, settings: ScanSettings) -> Scan:
        limit_s = self._frame_limit_s(settings)
        asked = {"settings": _asked(settings)}
        return await self._scan_of(*await self._line.ask_with_parts("scan", asked, limit_s=limit_s))

    async def sweep(self, settings: ScanSettings, to_deg: float, rate_deg_per_s: float) -> AsyncGenerator[Scan, None]:
        asked = {"settings": _asked(settings), "to_deg": float(to_deg), "rate_deg_per_s": float(rate_deg_per_s)}
        frames = self._line.each("sweep", asked, limit_s=self._frame_limit_s(settings))
        try:
            async for value, parts in frames:
                yield await self._scan_of(value, parts)
        finally:
            await frames.aclose()


class RemoteEdx(_Remote):
    """Implements `EdxDetector`; its host has the microscope that it sits on as well."""

    kind = "edx"

    async def map_frames(self, settings: EdxSettings) -> AsyncGenerator[Scan, None]:
        asked = {"settings": {"scan": _asked(settings.scan), "frames": settings.frames}}
        frames = self._line.each("map_frames", asked, limit_s=self._frame_limit_s(settings.scan))
        try:
            async for value, parts in frames:
                yield await self._scan_of(value, parts)
        finally:
            await frames.aclose()


def _asked(settings: ScanSettings) -> dict[str, Any]:
    rows, columns = settings.shape
    return {
        "pixel_nm": float(settings.pixel_nm),
        "shape": [int(rows), int(columns)],
        "dwell_s": float(settings.dwell_s),
    }


def _able(kind: type[T], far: FarDevice, **but: Any) -> T:
    """What the far side can do, as far as this version knows of it; raises `DeviceError` for what makes no sense."""
    try:
        return msgspec.convert(far.abilities | but, kind)
    except msgspec.ValidationError as error:
        raise DeviceError("device host", f"tells abilities that cannot be understood: {error}") from error


def _lacking(declared: MicroscopeAbilities, found: MicroscopeAbilities) -> list[str]:
    """What was declared and is not there, as lines to be written instead."""
    switches = ("sweeps", "interrupts", "blanks", "defocuses")
    lines = [f"{name} = false" for name in switches if getattr(declared, name) and not getattr(found, name)]
    if found.shapes and not (declared.shapes and set(declared.shapes) <= set(found.shapes)):
        lines.append(f"shapes = {[list(shape) for shape in found.shapes]}")
    if found.pixel_nm is not None:
        least, most = declared.pixel_nm or (0.0, math.inf)
        if least < found.pixel_nm[0] or most > found.pixel_nm[1]:
            lines.append(f"pixel_nm = {list(found.pixel_nm)}")
    return lines
