"""A check of a driver, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from drivers.clock import Clock, within
from drivers.interfaces import Device, DriverContext

D = TypeVar("D", bound=Device)
T = TypeVar("T")

_CALL_LIMIT_S = 60.0


class NotConforming(AssertionError):
    """The driver does not do what its Protocol says; in a sentence."""


class NotApplicable(Exception):
    """Nothing can be said here, and why."""


@dataclass(frozen=True)
class Bench(Generic[D]):
    """A driver on trial: made anew for every check."""

    make: Callable[[DriverContext], D]
    context: DriverContext
    warm_c: float = 150.0
    """What a chip is heated to: enough to see, too little to alloy."""

    @property
    def clock(self) -> Clock:
        return self.context.clock

    async def call(self, asked: str, call: Awaitable[T], limit_s: float = _CALL_LIMIT_S) -> T:
        """Whatever a driver does, it comes back."""
        return await within(self.clock, limit_s, "driver", asked, call)


@dataclass(frozen=True)
class Check(Generic[D]):
    """Named by what must hold."""

    name: str
    run: Callable[[Bench[D], D], Awaitable[None]]
    """With a driver that is connected, unless `fresh`."""
    fresh: bool = False
    """Connects by itself."""

    async def on(self, bench: Bench[D]) -> None:
        """Raises `NotConforming` or `NotApplicable`, or whatever the driver raised."""
        device = bench.make(bench.context)
        if self.fresh:
            await self.run(bench, device)
            return
        await bench.call("connect", device.connect())
        try:
            await self.run(bench, device)
        finally:
            await bench.call("make safe", device.make_safe())
            await bench.call("close", device.close())


@dataclass(frozen=True)
class Outcome:
    check: str
    passed: bool | None
    """None where nothing can be said."""
    words: str = ""


async def outcomes(checks: Sequence[Check[D]], bench: Bench[D], tell: Callable[[Outcome], None]) -> list[Outcome]:
    """Of all checks, each told when it is over; one that fails keeps no other from being run."""
    found = []
    for check in checks:
        try:
            await check.on(bench)
            outcome = Outcome(check.name, passed=True)
        except NotApplicable as why:
            outcome = Outcome(check.name, passed=None, words=str(why))
        except Exception as error:  # noqa: BLE001  # a driver may raise anything, and that is its result
            outcome = Outcome(check.name, passed=False, words=str(error) or type(error).__name__)
        tell(outcome)
        found.append(outcome)
    return found


def must(true: object, words: str) -> None:
    """Raise `NotConforming` where something does not hold."""
    if not true:
        raise NotConforming(words)


async def cancelled_midway(bench: Bench[D], call: Awaitable[object], after_s: float) -> None:
    """Begin a call and cancel it; it must let go."""

    async def calling() -> None:
        await call

    task = asyncio.create_task(calling(), name="a call to be cancelled")
    await bench.clock.sleep(after_s)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=30.0)
    must(done, "a call that was cancelled did not end within 30 s")
