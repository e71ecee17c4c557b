"""A heating chip on DENSsolutions Impulse, over the program's own ZeroMQ wire.

Requests are JSON on one port, each answered with a ``resultCode``; readings are published on another, every 0.3 s or
so, whether anybody asked or not. The heater cannot be switched off from outside: it is sent to a temperature at which
it takes no power.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import zmq
import zmq.asyncio

from drivers.abilities import ChipAbilities
from drivers.errors import DeviceError, DeviceTimeout, NotConnected
from drivers.interfaces import DriverContext, HeaterReading

_SAMPLE_S = 0.3
_REACHED_C = 2.0
_TO_MW = {"mW": 1.0, "W": 1e3, "uW": 1e-3}
_READING = ("experimentDuration", "temperatureMeasured", "temperatureSetpoint")


class ImpulseChip:
    """Implements `HeatingChip`.

    Parameters
    ----------
    host : of the computer on which Impulse runs
    rest_c : what the heater is sent to when it is to take no power; below the holder's own temperature
    answer_s : within which Impulse answers
    """

    abilities = ChipAbilities(period_s=_SAMPLE_S)

    def __init__(
        self,
        name: str,
        context: DriverContext,
        host: str = "127.0.0.1",
        control_port: int = 5557,
        data_port: int = 5556,
        rest_c: float = 21.0,
        answer_s: float = 1.5,
    ) -> None:
        self.name = name
        self.simulated = False
        self._clock, self._log, self._limits = context.clock, context.log, context.limits
        self._control, self._data = f"tcp://{host}:{control_port}", f"tcp://{host}:{data_port}"
        self._rest_c, self._answer_s = rest_c, answer_s
        self._to_mw: float | None = None
        self._last: HeaterReading | None = None
        self._new = asyncio.Event()
        self._ahead_s: float | None = None
        """The session's clock against Impulse's, by the reading that took the shortest way here."""
        self._listening: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        try:
            told = await self._ask("control.impulse.getStatus")
        except DeviceTimeout as error:
            raise DeviceError(self.name, f"{error}; is Impulse running, with its API enabled?") from error
        if told.get("status") != "control":
            found = f"Impulse's status is {told.get('status')!r}"
            raise DeviceError(self.name, f"{found}; it takes commands in 'control': connect the holder there first")
        self.simulated = bool(told.get("simulated"))
        channels = (await self._ask("control.impulse.getAvailableDataChannels")).get("activeChannels", [])
        if "heat" not in channels:
            raise DeviceError(
                self.name, f"Impulse has no heating channel (found {channels}); is this a heating holder?"
            )
        offered = (await self._ask("control.impulse.getAvailableProperties", channelName="heat")).get("properties", [])
        if lacking := [n for n in _READING if n not in offered]:
            raise DeviceError(self.name, f"Impulse's heating channel gives no {', '.join(lacking)}")
        if "powerMeasured" in offered:
            about = await self._ask(
                "control.impulse.getPropertyInformation", channelName="heat", propertyName="powerMeasured"
            )
            self._to_mw = _TO_MW.get(str(about.get("unit")))
            if self._to_mw is None:
                self._log.warning("Impulse tells power in %r, which is not known; it is not read", about.get("unit"))
        self._listening = asyncio.create_task(self._listen(), name="Impulse's readings")
        await self.read()

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        """By its duration: what Impulse makes of a rate has not been seen."""
        self._limits.check_target(self.name, target_c, rate_c_per_s)
        from_c = (await self.read()).setpoint_c
        ramp_s = round(abs(target_c - from_c) / rate_c_per_s, 3)
        await self._ask("control.heat.startRamp", temperature=target_c, rampTime=ramp_s)
        while not self._reached(target_c):
            self._new.clear()
            await self._new.wait()

    async def quench(self) -> None:
        await self._ask("control.heat.startRamp", temperature=self._rest_c, rampTime=0)

    async def read(self) -> HeaterReading:
        """The newest reading published."""
        if self._listening is None:
            raise NotConnected({self.name: RuntimeError("asked for a reading before connect; connect it first")})
        if self._last is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._answer_s):
                    await self._new.wait()
        if self._last is None:
            raise DeviceTimeout(self.name, f"Impulse has published no reading at {self._data} for {self._answer_s:g} s")
        return self._last

    async def make_safe(self) -> None:
        """Also one that was never connected, or whose ramp is still on its way."""
        with suppress(DeviceError):  # there may be no ramp to stop
            await self._ask("control.heat.stopRamp", limit_s=0.5)
        await self.quench()

    async def close(self) -> None:
        """Leave it at rest, as the vendor's own scripts do."""
        try:
            await self.make_safe()
        finally:
            if self._listening is not None:
                self._listening.cancel()
                await asyncio.wait([self._listening])
                self._listening = None

    def _reached(self, target_c: float) -> bool:
        last = self._last
        return (
            last is not None
            and abs(last.setpoint_c - target_c) < _REACHED_C
            and abs(last.temperature_c - target_c) < _REACHED_C
        )

    async def _ask(self, kind: str, *, limit_s: float | None = None, **details: object) -> dict[str, Any]:
        """One request over a socket of its own: one whose answer was lost could never ask again."""
        limit_s = self._answer_s if limit_s is None else limit_s
        with zmq.asyncio.Context() as context, context.socket(zmq.REQ) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(self._control)
            await socket.send(json.dumps({"$type": kind, **details}).encode())
            if not await socket.poll(int(1000 * limit_s)):
                raise DeviceTimeout(
                    self.name, f"asked Impulse at {self._control} to {kind}, no answer in {limit_s:g} s"
                )
            answer = _dictionary(await socket.recv())
        if answer.get("resultCode") != "ok":
            raise DeviceError(self.name, f"Impulse refused {kind} {details or ''}: {_why(answer)}")
        data = answer.get("data")
        return data if isinstance(data, dict) else {}

    async def _listen(self) -> None:
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.SUBSCRIBE, b"heat")
            socket.connect(self._data)
            while True:
                parts = await socket.recv_multipart()
                reading = self._reading(_dictionary(parts[-1]))
                if reading is not None:
                    self._last = reading
                    self._new.set()

    def _reading(self, told: dict[str, Any]) -> HeaterReading | None:
        """None for what lacks a number, or is no newer than the last one."""
        try:
            device_s, read_c, set_c = (float(told[name]) for name in _READING)
            power = told.get("powerMeasured")
            power_mw = None if power is None or self._to_mw is None else self._to_mw * float(power)
        except (KeyError, TypeError, ValueError):
            self._log.warning("Impulse published what is no reading: %.200s", told)
            return None
        ahead_s = self._clock.now() - device_s
        self._ahead_s = ahead_s if self._ahead_s is None else min(self._ahead_s, ahead_s)
        time_s = device_s + self._ahead_s
        if self._last is not None and time_s <= self._last.time_s:
            return None
        return HeaterReading(time_s, read_c, set_c, power_mw=power_mw, period_s=_SAMPLE_S, stamped_by="device")


def _dictionary(message: bytes) -> dict[str, Any]:
    """Empty for what is none."""
    try:
        found = json.loads(message)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _why(answer: dict[str, Any]) -> str:
    """Impulse's own words, with those on each parameter."""
    data = answer.get("data")
    errors = data.get("errors", []) if isinstance(data, dict) else []
    details = [f"{e.get('parameter')}: {e.get('description')}" for e in errors if isinstance(e, dict)]
    return "; ".join([str(answer.get("message") or answer.get("resultCode") or "no reason given"), *details])
