"""A driver behind the host: in a thread of its own, where a plain one blocks and an asynchronous one does not."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
import time
from concurrent.futures import Future
from typing import Any, Callable, Coroutine, Dict, Iterator, List, Tuple

from .answers import told_reading, told_scan, told_stage
from .messages import HostMessage

COLD_C = 60.0
_STREAMS = ("sweep", "map_frames")
_AGAIN_S, _LEAVE_LIMIT_S, _YIELD_S = 0.2, 1.0, 0.01
log = logging.getLogger("device host")

Outcome = Tuple[Any, List[bytes], bool]
"""Of a call: its value, binary parts, and whether that is all."""
Key = Tuple[bytes, int]


class NotYours(Exception):
    """Whoever asks does not hold the device, or no more."""


class HostClock:
    """Seconds since this host was started, by its monotonic clock; what a driver is given as `drivers.clock.Clock`."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._start_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_event_loop().call_later(max(0.0, seconds), callback)

    def patience(self, limit_s: float) -> float:
        return limit_s

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        yield


class HostThread:
    """An event loop in a thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._live, name=name, daemon=True).start()

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        while True:
            with contextlib.suppress(SystemExit, KeyboardInterrupt):  # a driver's, which its caller is told of
                self._loop.run_forever()

    def submit(self, call: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(call, self._loop)


class HostedDevice:
    """A driver, who holds it, and what is known of it.

    Coroutines run in its thread, all else in the host's. A plain driver may name methods in ``concurrent`` that it
    bears while another call runs: these are called from a second thread.
    """

    def __init__(self, kind: str, driver: Any, clock: HostClock, thread: HostThread, *, stamps: bool) -> None:
        self.kind, self.driver = kind, driver
        self._clock, self._thread, self._stamps = clock, thread, stamps
        self._concurrent = tuple(getattr(driver, "concurrent", ()))
        self._beside = HostThread(f"{kind}, beside") if self._concurrent else thread
        self.who = self.token = self.lost = ""
        self.last_beat_s = 0.0
        self.connected = False
        self.hot = True
        """Of a chip: not known to be cold."""
        self.active: Dict[Key, Future[Any]] = {}
        """Calls that wait for their answer."""
        self._generation = 0
        """Counts how often it was made safe: what was asked before is not begun after."""
        self._streams: Dict[Key, Any] = {}
        self.saving: Future[Any] | None = None
        """While it is made safe since nobody holds it."""
        self._ramp: asyncio.Task[Any] | None = None
        self._being_saved: asyncio.Future[None] | None = None
        self._connecting: asyncio.Future[Any] | None = None

    def submit(self, message: HostMessage) -> Future[Any]:
        """Do what a message asks for, once its turn has come."""
        if message.ask == "next":
            return self._thread.submit(self._next_of(message.key))
        if self.connected and message.call in self._concurrent:
            return self._beside.submit(self._carry_out_beside(message))
        return self._thread.submit(self._carry_out(message, self._generation))

    def submit_connect(self) -> Future[Any]:
        return self._thread.submit(self._connect())

    def submit_close(self) -> Future[Any]:
        return self._thread.submit(self._do("close"))

    def leave(self, key: Key) -> None:
        """Whoever asked wants no answer any more."""
        running = self.active.get(key)
        if running is not None:
            running.cancel()
        self._thread.submit(self._close_stream(key))

    def make_safe_soon(self) -> Future[Any]:
        """What waits is not begun, what runs is left as soon as the driver allows; done once it is known to be safe."""
        self._generation += 1
        for future in list(self.active.values()):
            future.cancel()
        if self.connected and "make_safe" in self._concurrent:
            self._beside.submit(self._do("make_safe"))
        self.saving = self._thread.submit(self._make_safe_for_sure())
        return self.saving

    async def _do(self, name: str, *args: Any) -> Any:
        made = getattr(self.driver, name)(*args)
        return await made if inspect.isawaitable(made) else made

    async def _connect(self) -> dict[str, Any]:
        """And what it is; once it has been made safe, where it is being made so."""
        if self._being_saved is not None:
            await asyncio.wait([self._being_saved])
        await self._connect_once()
        abilities = getattr(self.driver, "abilities", None) or {}
        able = dict(abilities if isinstance(abilities, dict) else vars(abilities))
        told = {"simulated": bool(getattr(self.driver, "simulated", False)), "abilities": able}
        if self.kind == "microscope":
            able["sweeps"] = able.get("sweeps", True) and hasattr(self.driver, "sweep")
            range_deg = self.driver.tilt_range_deg
            told["tilt_range_deg"] = [float(end) for end in (range_deg() if callable(range_deg) else range_deg)]
        return told

    async def _connect_once(self) -> None:
        if self._connecting is not None:
            await asyncio.wait([self._connecting])
        if not self.connected:
            self._connecting = asyncio.ensure_future(self._do("connect"))
            try:
                await self._connecting
            finally:
                self._connecting = None
            self.connected = self.hot = True

    async def _carry_out(self, message: HostMessage, generation: int) -> Outcome:
        call = message.call
        if call == "make_safe":
            await self._make_safe()
            return None, [], True
        if generation != self._generation and not message.harmless:
            raise NotYours(self.lost or f"the {self.kind} was made safe before this could be begun")
        if not self.connected:
            raise NotYours(f"the {self.kind} is not connected: this host was started anew, or the device was closed")
        if call in _STREAMS:
            self._streams[message.key] = getattr(self.driver, call)(*message.args)
            return await self._next_of(message.key)
        if call == "quench":
            self._generation += 1
            await self._end_ramp()
        if call == "ramp_to":
            await self._end_ramp()
            self._ramp, self.hot = asyncio.current_task(), True
        return await self._answered(message)

    async def _carry_out_beside(self, message: HostMessage) -> Outcome:
        if message.call in ("make_safe", "quench"):
            self._generation += 1
        return await self._answered(message)

    async def _answered(self, message: HostMessage) -> Outcome:
        call, began_s = message.call, self._clock.now()
        value = await self._do(call, *message.args)
        now_s = self._clock.now()
        if call == "close":
            self.connected = False
        elif call == "read":
            reading, _ = told_reading(value, 0.5 * (began_s + now_s), stamps=self._stamps)
            self._see(reading["temperature_c"])
            return reading, [], True
        elif call == "read_stage":
            return told_stage(value), [], True
        elif call == "scan":
            return (*told_scan(value, now_s, stamps=self._stamps), True)
        return None, [], True

    async def _next_of(self, key: Key) -> Outcome:
        """The next frame of a stream, which is scanned now and not before: each has its dose."""
        frames = self._streams.get(key)
        if frames is None:
            raise NotYours(self.lost or f"this scan was ended, since the {self.kind} was made safe")
        value, over = None, True
        try:
            value = await frames.__anext__() if hasattr(frames, "__anext__") else next(frames, None)
            over = value is None
        except StopAsyncIteration:
            pass
        finally:
            if over:
                self._streams.pop(key, None)
        return (None, [], True) if over else (*told_scan(value, self._clock.now(), stamps=self._stamps), False)

    async def _close_stream(self, key: Key) -> None:
        frames = self._streams.pop(key, None)
        while frames is not None:
            try:
                if hasattr(frames, "aclose"):
                    await frames.aclose()
                elif hasattr(frames, "close"):
                    frames.close()
                return
            except RuntimeError:  # it still runs: what was cancelled has to come back first
                await asyncio.sleep(_YIELD_S)

    def _see(self, temperature_c: float | None) -> None:
        if temperature_c is None or temperature_c >= COLD_C:
            self.hot = True
        elif self._ramp is None:
            self.hot = False

    async def _end_ramp(self) -> None:
        """One still under way, or cleaning up behind itself, must not power the heater again."""
        ramp, self._ramp = self._ramp, None
        if ramp is not None and not ramp.done():
            ramp.cancel()
            await asyncio.wait([ramp], timeout=_LEAVE_LIMIT_S)

    async def _make_safe(self) -> None:
        self._generation += 1
        await self._end_ramp()
        await self._connect_once()
        await self._do("make_safe")

    async def _make_safe_for_sure(self) -> None:
        self._being_saved = asyncio.ensure_future(self._until_safe())
        try:
            await asyncio.shield(self._being_saved)
        finally:
            self._being_saved = None

    async def _until_safe(self) -> None:
        """However often it takes; a chip until it reads cold."""
        for key in list(self._streams):
            await self._close_stream(key)
        while True:
            try:
                await self._make_safe()
                if self.kind != "chip":
                    return
                reading, _ = told_reading(await self._do("read"), 0.0, stamps=False)
                self._see(reading["temperature_c"])
                if not self.hot:
                    log.info("the chip is cold: %.1f C", reading["temperature_c"])
                    return
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  # a driver may raise anything; it is asked again
                log.error("the %s could not be made safe, it is tried again: %s", self.kind, in_words(error))
            await asyncio.sleep(_AGAIN_S)


def in_words(error: BaseException) -> str:
    """Of any library."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
