"""Time as an interface: wall, scaled, stepped.

A dry run uses the stepped clock: when the event loop has nothing left to do, time jumps to the next sleeper. Six
hours of session pass in seconds, yet every periodic task ticks as often as it would. Work that takes real time (a
write, a result the plan waits for) holds the clock with `working`, so time never runs ahead of it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from drivers.errors import AlloyscopeError, DeviceError, DeviceTimeout

T = TypeVar("T")


class Timer(Protocol):
    """A callback that has not run yet."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Session time in seconds since the session began."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer: ...

    def patience(self, limit_s: float) -> float:
        """Session time to wait for a device that may take `limit_s`: real work does not speed up with the clock."""
        ...

    def working(self) -> AbstractContextManager[None]:
        """Real work is in flight: a stepped clock stands still inside this context."""
        ...


class ScaledClock:
    """Real time times a factor, from `start_s` on. `epoch` is a monotonic time, shared by processes on one clock."""

    def __init__(self, speed: float = 1.0, epoch: float | None = None, *, start_s: float = 0.0) -> None:
        if not speed > 0.0:
            raise ValueError(f"the clock's speed is {speed}; it must be above 0")
        self.speed = speed
        self.epoch = time.monotonic() - start_s / speed if epoch is None else epoch

    def now(self) -> float:
        return (time.monotonic() - self.epoch) * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.speed)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, seconds) / self.speed, callback)

    def patience(self, limit_s: float) -> float:
        return limit_s * max(1.0, self.speed)

    @contextmanager
    def working(self) -> Iterator[None]:
        yield


class WallClock(ScaledClock):
    """Real time."""

    def __init__(self) -> None:
        super().__init__(1.0)


class SteppedClock:
    """Time that jumps to the next sleeper whenever nothing else is left to do.

    The loop must come from `new_loop` (use `run`): its selector steps the clock exactly when it would block.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._now = start_s
        self._sleepers: list[tuple[float, int, _Sleeper]] = []
        self._order = itertools.count()
        self._working = 0

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        done = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            timer.cancel()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        sleeper = _Sleeper(callback)
        heapq.heappush(self._sleepers, (self._now + max(0.0, float(seconds)), next(self._order), sleeper))
        return sleeper

    def patience(self, limit_s: float) -> float:
        return limit_s

    @contextmanager
    def working(self) -> Iterator[None]:
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end on a loop that steps this clock."""
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(main)

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(_IdleSelector(self))

    def step(self) -> bool:
        """Jump to the next sleeper, unless work is in flight or nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].cancelled:
            heapq.heappop(self._sleepers)
        if self._working or not self._sleepers:
            return False
        due, _, sleeper = heapq.heappop(self._sleepers)
        self._now = max(self._now, due)
        sleeper.callback()
        return True


class _Sleeper:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class _IdleSelector(selectors.DefaultSelector):
    def __init__(self, clock: SteppedClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._clock.step():
            return []
        blocked: list[tuple[selectors.SelectorKey, int]] = super().select(timeout)
        return blocked


def utc_now() -> str:
    """The computer's wall clock, ISO 8601 in UTC; for files that others read, since all else goes by session time."""
    return _iso(datetime.now(UTC))


def earlier(utc: str, seconds: float) -> str:
    """What the wall clock showed so many seconds before."""
    return _iso(datetime.fromisoformat(utc) - timedelta(seconds=seconds))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


async def within(clock: Clock, limit_s: float, device: str, asked: str, call: Awaitable[T]) -> T:
    """Await a device call for at most `limit_s`, in session time or, where the clock runs faster, in real time.

    Raises
    ------
    DeviceTimeout
        Names the device, what was asked and the limit.
    DeviceError
        Whatever else its driver raises, with what was asked; other errors of ours stay as they are.
    """
    loop, scope = asyncio.get_running_loop(), asyncio.timeout(None)
    try:
        async with scope:
            timer = clock.call_later(clock.patience(limit_s), lambda: scope.reschedule(loop.time()))
            try:
                return await call
            finally:
                timer.cancel()
    except AlloyscopeError as error:
        if type(error) is DeviceError and "asked to " not in str(error):
            words = str(error).removeprefix(f"{error.device}: ")
            raise DeviceError(error.device, f"asked to {asked}, it said: {words}") from error.__cause__
        raise
    except Exception as error:
        if isinstance(error, TimeoutError) and scope.expired():
            words = f"asked to {asked}, no answer within {limit_s:g} s; check the device and its connection"
            raise DeviceTimeout(device, f"{words}, then go on with alloyscope resume") from None
        raise DeviceError(device, f"asked to {asked}, it said: {str(error) or type(error).__name__}") from error
