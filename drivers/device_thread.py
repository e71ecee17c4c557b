"""Drivers in a thread of their own, so that one that blocks, as most vendors' libraries do, holds up nobody else.

Behind the same Protocols: whoever calls cannot tell, except that a call which hangs, or will not be cancelled, is left
behind when its limit is over.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from drivers.interfaces import (
    Device,
    EdxDetector,
    EdxSettings,
    HeaterReading,
    HeatingChip,
    Microscope,
    Scan,
    ScanSettings,
    StagePosition,
)

T = TypeVar("T")

_LEAVE_LIMIT_S, _DEAF_S = 1.0, 0.5
_stuck: list[str] = []


def stuck() -> list[str]:
    """Names of threads that did not end when they were told to: their process can only be left by `os._exit`."""
    return list(_stuck)


class DeviceThread:
    """An event loop in a thread, which starts with the first call."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    async def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Await a call in the thread. Cancelled, it is left at once; the call in the thread hears of it when it can."""
        if not self._thread.is_alive():
            self._thread.start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))

    async def each(self, make: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """What an asynchronous generator yields, which is closed in the thread as well."""
        made, over = make(), Future[None]()
        over.set_result(None)

        async def following(done: Future[None]) -> list[T]:
            try:
                async for value in made:
                    return [value]
                return []
            finally:
                if not done.done():
                    done.set_result(None)

        try:
            while True:
                over = Future[None]()
                values = await self.run(following(over))
                if not values:
                    return
                yield values[0]
        finally:
            # A generator that still runs cannot be closed: a call that was cancelled has to come back first.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_LIMIT_S):
                    await asyncio.shield(asyncio.wrap_future(over))
                    await self.run(_closed(made))

    async def close(self) -> None:
        """End the thread; one that is blocked is left to end with its process."""
        if not self._thread.is_alive():
            self._loop.close()
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, _LEAVE_LIMIT_S)
        if self._thread.is_alive():
            _stuck.append(self._name)

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        if left := asyncio.all_tasks(self._loop):
            for task in left:
                task.cancel()
            _, deaf = self._loop.run_until_complete(asyncio.wait(left, timeout=_DEAF_S))
            if deaf:  # a loop cannot be closed over them
                _stuck.append(self._name)
                return
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


async def _closed(generator: AsyncGenerator[Any, None]) -> None:
    await generator.aclose()


class _InThread:
    """What all devices have in common."""

    def __init__(self, device: Device, thread: DeviceThread) -> None:
        self.name = device.name
        self.abilities = getattr(device, "abilities", None)
        self._any, self._thread = device, thread

    @property
    def simulated(self) -> bool:
        """May be known only once it is connected."""
        return self._any.simulated

    async def connect(self) -> None:
        await self._thread.run(self._any.connect())

    async def make_safe(self) -> None:
        await self._thread.run(self._any.make_safe())

    async def close(self) -> None:
        """The device; its thread may be that of others, too."""
        await self._thread.run(self._any.close())


class ChipInThread(_InThread):
    """Implements `HeatingChip`."""

    def __init__(self, chip: HeatingChip, thread: DeviceThread) -> None:
        super().__init__(chip, thread)
        self._chip = chip
        self._ramping: asyncio.Task[Any] | None = None

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        async def ramp() -> None:
            self._ramping = asyncio.current_task()
            await self._chip.ramp_to(target_c, rate_c_per_s)

        await self._thread.run(ramp())

    async def quench(self) -> None:
        await self._thread.run(self._after_ramp(self._chip.quench))

    async def make_safe(self) -> None:
        await self._thread.run(self._after_ramp(self._chip.make_safe))

    async def _after_ramp(self, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A ramp that was left may still be cleaning up behind itself, and must not power the heater again."""
        if self._ramping is not None and not self._ramping.done():
            self._ramping.cancel()
            await asyncio.wait([self._ramping], timeout=_LEAVE_LIMIT_S)
        await call()

    async def read(self) -> HeaterReading:
        return await self._thread.run(self._chip.read())


class MicroscopeInThread(_InThread):
    """Implements `Microscope`."""

    def __init__(self, microscope: Microscope, thread: DeviceThread) -> None:
        super().__init__(microscope, thread)
        self._microscope = microscope

    async def move_to(self, position: StagePosition) -> None:
        await self._thread.run(self._microscope.move_to(position))

    async def read_stage(self) -> StagePosition:
        return await self._thread.run(self._microscope.read_stage())

    async def set_beam_blank(self, blanked: bool) -> None:
        await self._thread.run(self._microscope.set_beam_blank(blanked))

    async def set_defocus(self, defocus_nm: float) -> None:
        await self._thread.run(self._microscope.set_defocus(defocus_nm))

    async def shift_beam(self, dy_nm: float, dx_nm: float) -> None:
        await self._thread.run(self._microscope.shift_beam(dy_nm, dx_nm))

    async def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        await self._thread.run(self._microscope.shift_image(dy_nm, dx_nm))

    async def scan(self, settings: ScanSettings) -> Scan:
        return await self._thread.run(self._microscope.scan(settings))

    def sweep(self, settings: ScanSettings, to_deg: float, rate_deg_per_s: float) -> AsyncGenerator[Scan, None]:
        return self._thread.each(lambda: self._microscope.sweep(settings, to_deg, rate_deg_per_s))

    def tilt_range_deg(self) -> tuple[float, float]:
        return self._microscope.tilt_range_deg()


class EdxInThread(_InThread):
    """Implements `EdxDetector`."""

    def __init__(self, detector: EdxDetector, thread: DeviceThread) -> None:
        super().__init__(detector, thread)
        self._detector = detector

    def map_frames(self, settings: EdxSettings) -> AsyncGenerator[Scan, None]:
        return self._thread.each(lambda: self._detector.map_frames(settings))
