"""The stage of `drivers.autoscript`: goes where it is told, or jogs, and is stopped for sure."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from drivers.clock import Clock
from drivers.errors import DeviceError
from drivers.interfaces import StagePosition

RAD = math.pi / 180.0
_OFF_DEG = 0.5
_POLL_S, _MOVE_LIMIT_S = 0.05, 120.0
_AXES = {"x": ("nm", 1e-9), "y": ("nm", 1e-9), "z": ("nm", 1e-9), "a": ("deg", RAD)}


def _limits_of(axis: str, client: Any) -> tuple[float, float]:
    """In m or rad."""
    limits = client.specimen.stage.get_axis_limits(axis)
    return float(limits.min), float(limits.max)


def _told(at: Any) -> StagePosition:
    return StagePosition(1e9 * float(at.x), 1e9 * float(at.y), 1e9 * float(at.z), float(at.a) / RAD)


class AutoscriptStage:
    """In nm and deg; AutoScript's are m and rad.

    Parameters
    ----------
    asked : makes a call on the client; its failure is a `DeviceError` in words
    tilt_range_deg : what the holder allows
    """

    structures: Any = None
    """The vendor's module of that name, once it is imported."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        asked: Callable[[str, Callable[[Any], Any]], Any],
        tilt_range_deg: tuple[float, float],
    ) -> None:
        self._name, self._clock, self._asked = name, clock, asked
        self.tilt_range_deg = tilt_range_deg
        self.jogging = False
        self._limits: dict[str, tuple[float, float]] = {}

    def learn_limits(self) -> None:
        """Raises `DeviceError` where the holder's range is beyond the stage's."""
        for axis, (_, unit) in _AXES.items():
            asked = f"tell the limits of its stage in {axis}"
            low, high = self._asked(asked, partial(_limits_of, axis))
            self._limits[axis] = (low / unit, high / unit)
        (low, high), (low_deg, high_deg) = self.tilt_range_deg, self._limits["a"]
        if low < low_deg - 0.01 or high > high_deg + 0.01:
            asked = f"tilt_range_deg is {low:g} to {high:g}"
            raise DeviceError(self._name, f"{asked}, its stage allows {low_deg:.1f} to {high_deg:.1f} deg; narrow it")

    def check_tilt(self, tilt_deg: float) -> None:
        low, high = self.tilt_range_deg
        if not low <= tilt_deg <= high:
            asked = f"asked to tilt to {tilt_deg:g} deg"
            raise DeviceError(self._name, f"{asked}, tilt_range_deg is {low:g} to {high:g}; lower the tilt range")

    def read(self) -> StagePosition:
        place: StagePosition = self._asked("tell its stage's position", lambda m: _told(m.specimen.stage.position))
        return place

    async def move_to(self, position: StagePosition) -> None:
        """What the stage would refuse or clamp is refused before it moves."""
        self.check_tilt(position.tilt_deg)
        asked = {"x": position.x_nm, "y": position.y_nm, "z": position.z_nm, "a": position.tilt_deg}
        for axis, (low, high) in self._limits.items():
            if not low <= asked[axis] <= high:
                limits = f"its stage allows {low:.6g} to {high:.6g} {_AXES[axis][0]}"
                raise DeviceError(self._name, f"asked to move to {axis} = {asked[axis]:g}, {limits}; stay within")
        await self._go(asked)

    async def tilt_to(self, tilt_deg: float) -> None:
        """The other axes stay."""
        self.check_tilt(tilt_deg)
        await self._go({"a": tilt_deg})

    async def _go(self, asked: dict[str, float]) -> None:
        """Over when the stage stands, and at the tilt that was asked for."""
        if self.jogging:
            self.stop_jogging()
        await self.standing()
        place = {axis: value * _AXES[axis][1] for axis, value in asked.items()}
        self._asked("move its stage", lambda m: m.specimen.stage.absolute_move(self.structures.StagePosition(**place)))
        await self.standing()
        found_deg = self.read().tilt_deg
        if abs(found_deg - asked["a"]) > _OFF_DEG:
            found = f"it stands at {found_deg:.2f}"
            raise DeviceError(self._name, f"asked to tilt to {asked['a']:g} deg, {found}; look at the holder")

    def moves(self) -> bool:
        return bool(self._asked("tell whether its stage moves", lambda m: m.specimen.stage.is_moving))

    async def standing(self) -> None:
        """Wait until it stands."""
        until_s = self._clock.now() + _MOVE_LIMIT_S
        while self.moves():
            if self._clock.now() > until_s:
                raise DeviceError(self._name, f"its stage still moves after {_MOVE_LIMIT_S:g} s; stop it by hand")
            await self._clock.sleep(_POLL_S)

    def start_jogging(self, deg_per_s: float) -> None:
        """Tilt until it is stopped."""
        self.jogging = True
        velocity = self.structures.StageVelocity(a=deg_per_s * RAD)
        self._asked("jog its stage", lambda m: m.specimen.stage.start_jogging(velocity))

    def stop_jogging(self) -> None:
        """Asked three times: a stage that goes on is worse than a sweep that is lost."""
        for left in (2, 1, 0):
            try:
                self._asked("stop its stage", lambda m: m.specimen.stage.stop_jogging())
            except DeviceError as error:
                if not left:
                    raise DeviceError(self._name, f"its stage may still tilt, stop it by hand ({error})") from error
            else:
                self.jogging = False
                return

    def way_is_over(self) -> None:
        """For a timer, which has nobody to tell: the end of the sweep tries again."""
        if self.jogging:
            with suppress(DeviceError):
                self.stop_jogging()
