"""Faults on purpose: any driver, wrapped so that some of its calls go wrong as real ones do, from a seed.

The wrapped drivers stand behind the same Protocols. They also keep the account that nobody else can: what truly
happened to beam and chip.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from drivers.clock import Clock
from drivers.errors import DeviceError
from drivers.interfaces import DriverContext, HeaterReading, HeatingChip, Microscope, Scan, ScanSettings, StagePosition
from drivers.registry import load

T = TypeVar("T")

_FOR_EVER_S = 1e6
_LATE_S = 1.0
_SPIKE_C = 900.0


@dataclass(frozen=True)
class Fault:
    """One way in which one kind of call goes wrong, `times` times in a row from the call number `at` on."""

    call: str
    """Method of the driver."""
    how: str
    """raises, hangs, late, or what is wrong with what it gives: nan, spike, stale, empty."""
    at: int = 0
    times: int = 1

    @property
    def kind(self) -> str:
        return f"{self.call} {self.how}"


CHIP_FAULTS = tuple(
    (call, how)
    for call, ways in {
        "read": ("raises", "hangs", "late", "nan", "spike", "stale"),
        "ramp_to": ("raises", "hangs"),
        "quench": ("raises", "hangs", "late"),
        "make_safe": ("raises", "hangs"),
    }.items()
    for how in ways
)
MICROSCOPE_FAULTS = tuple(
    (call, how)
    for call, ways in {
        "move_to": ("raises", "hangs", "late"),
        "set_beam_blank": ("raises", "hangs", "late"),
        "shift_image": ("raises", "hangs"),
        "scan": ("raises", "hangs", "late", "nan", "empty"),
        "make_safe": ("raises", "hangs"),
    }.items()
    for how in ways
)
"""Call and way; each is transient when it happens once."""


def faulty_chip(
    name: str,
    context: DriverContext,
    faults: Sequence[Mapping[str, Any]] = (),
    of: str = "simulated",
    options: Mapping[str, Any] = MappingProxyType({}),
) -> FaultyChip:
    """A backend: the chip `of` another one, with faults as they stand in a session file."""
    return FaultyChip(load("chip", of, context, options), context.clock, [Fault(**f) for f in faults])


def faulty_microscope(
    name: str,
    context: DriverContext,
    faults: Sequence[Mapping[str, Any]] = (),
    of: str = "simulated",
    options: Mapping[str, Any] = MappingProxyType({}),
) -> FaultyMicroscope:
    """A backend, as `faulty_chip`."""
    return FaultyMicroscope(load("microscope", of, context, options), context.clock, [Fault(**f) for f in faults])


class _Faulty:
    """Counts the calls and says which one goes wrong."""

    def __init__(self, clock: Clock, faults: Iterable[Fault]) -> None:
        self.clock = clock
        self._faults = tuple(faults)
        self.calls = Counter[str]()
        self.struck = list[Fault]()

    def due(self, call: str) -> Fault | None:
        number = self.calls[call]
        self.calls[call] += 1
        due = next((f for f in self._faults if f.call == call and f.at <= number < f.at + f.times), None)
        if due is not None:
            self.struck.append(due)
        return due

    async def done(self, name: str, call: str, do: Callable[[], Awaitable[T]]) -> tuple[T, str]:
        """What the call gives, and what is wrong with it."""
        fault = self.due(call)
        how = "" if fault is None else fault.how
        if how == "raises":
            raise DeviceError(name, f"did not {call} (injected)")
        if how == "hangs":
            await self.clock.sleep(_FOR_EVER_S)
        if how == "late":
            await self.clock.sleep(_LATE_S)
        return await do(), how


class FaultyChip:
    """Implements `HeatingChip` around another one."""

    def __init__(self, chip: HeatingChip, clock: Clock, faults: Iterable[Fault]) -> None:
        self.name, self.simulated = chip.name, chip.simulated
        self.faulty = _Faulty(clock, faults)
        self._chip = chip
        self._before: HeaterReading | None = None

    async def connect(self) -> None:
        await self._chip.connect()

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        await self.faulty.done(self.name, "ramp_to", lambda: self._chip.ramp_to(target_c, rate_c_per_s))

    async def quench(self) -> None:
        await self.faulty.done(self.name, "quench", self._chip.quench)

    async def make_safe(self) -> None:
        await self.faulty.done(self.name, "make_safe", self._chip.make_safe)

    async def read(self) -> HeaterReading:
        reading, how = await self.faulty.done(self.name, "read", self._chip.read)
        before, self._before = self._before or reading, reading
        wrong = {
            "nan": replace(reading, temperature_c=math.nan),
            "spike": replace(reading, temperature_c=_SPIKE_C),
            "stale": before,
        }
        return wrong.get(how, reading)

    async def close(self) -> None:
        await self._chip.close()


class FaultyMicroscope:
    """Implements `Microscope` around another one, and knows how long its beam was truly on."""

    def __init__(self, microscope: Microscope, clock: Clock, faults: Iterable[Fault]) -> None:
        self.name, self.simulated = microscope.name, microscope.simulated
        self.faulty = _Faulty(clock, faults)
        self._microscope, self._clock = microscope, clock
        self._on_since_s: float | None = None
        self._on_s = 0.0
        self.scans_given = 0

    @property
    def beam_is_on(self) -> bool:
        return self._on_since_s is not None

    @property
    def beam_on_s(self) -> float:
        return self._on_s + (0.0 if self._on_since_s is None else self._clock.now() - self._on_since_s)

    async def connect(self) -> None:
        await self._microscope.connect()

    async def make_safe(self) -> None:
        await self.faulty.done(self.name, "make_safe", self._microscope.make_safe)
        self._beam(on=False)

    async def close(self) -> None:
        await self._microscope.close()

    async def move_to(self, position: StagePosition) -> None:
        await self.faulty.done(self.name, "move_to", lambda: self._microscope.move_to(position))

    async def read_stage(self) -> StagePosition:
        return await self._microscope.read_stage()

    async def set_beam_blank(self, blanked: bool) -> None:
        await self.faulty.done(self.name, "set_beam_blank", lambda: self._microscope.set_beam_blank(blanked))
        self._beam(on=not blanked)

    async def set_defocus(self, defocus_nm: float) -> None:
        await self._microscope.set_defocus(defocus_nm)

    async def shift_beam(self, dy_nm: float, dx_nm: float) -> None:
        await self._microscope.shift_beam(dy_nm, dx_nm)

    async def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        await self.faulty.done(self.name, "shift_image", lambda: self._microscope.shift_image(dy_nm, dx_nm))

    async def scan(self, settings: ScanSettings) -> Scan:
        scan, how = await self.faulty.done(self.name, "scan", lambda: self._microscope.scan(settings))
        if how == "late":  # in answering: the beam has done its scan
            self._on_s -= _LATE_S
        return self._given(scan, how)

    async def sweep(self, settings: ScanSettings, to_deg: float, rate_deg_per_s: float) -> AsyncGenerator[Scan, None]:
        async for scan in self._microscope.sweep(settings, to_deg, rate_deg_per_s):
            fault = self.faulty.due("scan")
            if fault is not None and fault.how in ("raises", "hangs"):
                await self._clock.sleep(_FOR_EVER_S if fault.how == "hangs" else 0.0)
                raise DeviceError(self.name, "did not scan while it tilted (injected)")
            yield self._given(scan, "" if fault is None else fault.how)

    def tilt_range_deg(self) -> tuple[float, float]:
        return self._microscope.tilt_range_deg()

    def _given(self, scan: Scan, how: str) -> Scan:
        if how == "nan":
            return replace(scan, image=np.full(scan.image.shape, np.nan))
        if how == "empty":
            return replace(scan, image=np.zeros((0, 0)))
        self.scans_given += 1
        return scan

    def _beam(self, *, on: bool) -> None:
        self._on_s = self.beam_on_s
        self._on_since_s = self._clock.now() if on else None
