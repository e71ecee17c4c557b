"""A server that speaks as DENSsolutions Impulse does, with the simulated chip behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import zmq
import zmq.asyncio

from drivers.interfaces import DriverContext
from simulators.chip import SimulatedChip
from simulators.thermal_history import AMBIENT_C

_PROPERTIES = {
    "sequenceNumber": ("", 0, "int"),
    "experimentDuration": ("s", 3, "double"),
    "timeStamp": ("", 0, "dateTime"),
    "temperatureSetpoint": ("°C", 2, "double"),
    "temperatureMeasured": ("°C", 2, "double"),
    "powerMeasured": ("mW", 3, "double"),
}
_FASTEST_C_PER_S = 1e5
"""Of a ramp that is to take no time."""


class ImpulseServer:
    """Serves requests on one port and readings on another, until it is cancelled.

    Parameters
    ----------
    period_s : between two readings
    max_c : what is asked above it is refused, as the vendor's program does by its chip's file
    chip : options of the `SimulatedChip` behind it
    """

    def __init__(
        self,
        name: str,
        context: DriverContext,
        host: str = "127.0.0.1",
        control_port: int = 5557,
        data_port: int = 5556,
        period_s: float = 0.3,
        max_c: float = 1300.0,
        chip: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.told = f"Impulse: requests at tcp://{host}:{control_port}, readings at tcp://{host}:{data_port}"
        self._control, self._data = f"tcp://{host}:{control_port}", f"tcp://{host}:{data_port}"
        self._clock, self._period_s, self._max_c = context.clock, period_s, max_c
        self._chip = SimulatedChip(name, context, **(chip or {}))
        self._ramp: asyncio.Task[None] | None = None
        self._sequence = 0

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        await self._chip.connect()
        with zmq.asyncio.Context() as context, context.socket(zmq.REP) as rep, context.socket(zmq.PUB) as pub:
            rep.setsockopt(zmq.LINGER, 0)
            pub.setsockopt(zmq.LINGER, 0)
            rep.bind(self._control)
            pub.bind(self._data)
            ready()
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._answer(rep, pub), name="Impulse's requests")
                    tasks.create_task(self._publish(pub), name="Impulse's readings")
            finally:
                await self._end_ramp()

    async def _answer(self, rep: zmq.asyncio.Socket, pub: zmq.asyncio.Socket) -> None:
        while True:
            try:
                asked = json.loads(await rep.recv())
                answer = await self._answered(asked, pub) if isinstance(asked, dict) else _refused("badRequest")
            except ValueError:
                answer = _refused("badRequest")
            await rep.send(json.dumps(answer).encode())

    async def _answered(self, asked: dict[str, Any], pub: zmq.asyncio.Socket) -> dict[str, Any]:
        match asked.get("$type"):
            case "control.impulse.getStatus":
                return _ok(status="control", simulated=True)
            case "control.impulse.getAvailableDataChannels":
                return _ok(activeChannels=["heat"])
            case "control.impulse.getAvailableProperties":
                return _ok(properties=list(_PROPERTIES))
            case "control.impulse.getPropertyInformation":
                return self._property(asked)
            case "control.heat.startRamp":
                return await self._start_ramp(asked, pub)
            case "control.heat.stopRamp":
                if self._ramp is None or self._ramp.done():
                    return _refused("invalidOperation", "no ramp is running")
                await self._end_ramp()
                return _ok()
        return _refused("badRequest", f"unknown request {asked.get('$type')!r}")

    def _property(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked.get("propertyName")
        if name not in _PROPERTIES:
            return _refused("invalidInput", f"no property {name!r}")
        unit, precision, kind = _PROPERTIES[name]
        return _ok(channelName="heat", propertyName=name, unit=unit, precision=precision, type=kind)

    async def _start_ramp(self, asked: dict[str, Any], pub: zmq.asyncio.Socket) -> dict[str, Any]:
        target_c, ramp_s = asked.get("temperature"), asked.get("rampTime")
        wrong = [
            {"parameter": name, "$type": "error", "description": "must be a number in its range"}
            for name, value, most in (("temperature", target_c, self._max_c), ("rampTime", ramp_s, 1e6))
            if not isinstance(value, int | float) or not 0.0 <= value <= most
        ]
        if wrong:
            return _refused("invalidInput", "the ramp cannot be started", wrong)
        await self._end_ramp()
        self._ramp = asyncio.create_task(self._ramped(float(target_c or 0.0), float(ramp_s or 0.0), pub), name="ramp")
        return _ok()

    async def _ramped(self, target_c: float, ramp_s: float, pub: zmq.asyncio.Socket) -> None:
        """Below the holder's own temperature nothing is heated."""
        now_c = (await self._chip.read()).setpoint_c
        if target_c > AMBIENT_C:
            await self._chip.ramp_to(target_c, min(_FASTEST_C_PER_S, abs(target_c - now_c) / max(ramp_s, 1e-6) + 1e-3))
        else:
            await self._clock.sleep(ramp_s)
            await self._chip.quench()
        event = {"$type": "data.event.stimulusActionFinished", "stimulusType": "heat"}
        await pub.send_multipart([b"events", json.dumps(event).encode()])

    async def _end_ramp(self) -> None:
        if self._ramp is not None and not self._ramp.done():
            self._ramp.cancel()
            await asyncio.wait([self._ramp])  # to await it itself could not tell its end from one's own

    async def _publish(self, pub: zmq.asyncio.Socket) -> None:
        while True:
            reading = await self._chip.read()
            self._sequence += 1
            told = {
                "sequenceNumber": self._sequence,
                "experimentDuration": reading.time_s,
                "timeStamp": datetime.now(UTC).isoformat(),
                "temperatureSetpoint": reading.setpoint_c,
                "temperatureMeasured": reading.temperature_c,
                "powerMeasured": reading.power_mw,
            }
            await pub.send_multipart([b"heat", json.dumps(told).encode()])
            await self._clock.sleep(self._period_s)


def _ok(**data: object) -> dict[str, Any]:
    return {"resultCode": "ok", "data": data}


def _refused(code: str, message: str = "", errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {"resultCode": code, "message": message, "data": {"errors": errors or []}}
