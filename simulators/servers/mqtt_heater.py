"""A home-built heater on MQTT, as `drivers.mqtt_heater` describes it, with the simulated chip behind it."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiomqtt

from drivers import broker_connection
from drivers.broker import PLAIN_PORT, Broker, password_of, tls_context
from drivers.errors import AlloyscopeError, DeviceError
from drivers.interfaces import DriverContext
from simulators.chip import SimulatedChip
from simulators.thermal_history import AMBIENT_C

_AGAIN_S = 0.25


class MqttHeaterServer:
    """Listens and publishes through a broker until it is cancelled; when it loses the broker, it switches itself off.

    Parameters
    ----------
    host, port : of the broker
    root : below which its topics lie
    username, password_file, password_env, tls, ca_file : as the driver takes them
    period_s : between two readings
    max_c : it takes no notice of what is asked above
    chip : options of the `SimulatedChip` behind it
    """

    def __init__(
        self,
        name: str,
        context: DriverContext,
        host: str,
        root: str,
        port: int = PLAIN_PORT,
        username: str = "",
        password_file: str = "",
        password_env: str = "",
        tls: bool = False,
        ca_file: str = "",
        period_s: float = 0.25,
        max_c: float = 1300.0,
        chip: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        password = password_of(context.origin, Path(password_file) if password_file else None, password_env)
        trusted = tls_context(context.origin / ca_file if ca_file else None) if tls else None
        self._broker = Broker(host, port, username or None, password, trusted)
        self.told = f"heater: mqtt://{self._broker.address}/{root}"
        self._root, self._period_s, self._max_c = root, period_s, max_c
        self._clock, self._log = context.clock, context.log
        self._chip = SimulatedChip(name, context, **(chip or {}))
        self._ramp: asyncio.Task[None] | None = None

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Raises `DeviceError` where there is no broker to begin with."""
        await self._chip.connect()
        will = aiomqtt.Will(f"{self._root}/status", "offline", qos=1, retain=True)
        began = False
        while True:
            try:
                async with broker_connection.client(self._broker, will) as client:
                    try:
                        await client.subscribe([(f"{self._root}/{topic}", 1) for topic in ("set", "off")])
                        await client.publish(f"{self._root}/status", "online", qos=1, retain=True)
                        if not began:
                            ready()
                        began = True
                        await self._listen(client)
                    except asyncio.CancelledError:
                        with suppress(aiomqtt.MqttError):  # then the broker says it by the last will
                            await client.publish(f"{self._root}/status", "offline", qos=1, retain=True)
                        raise
            except (aiomqtt.MqttError, OSError) as error:
                why = broker_connection.why(error, self._broker)
                if not began:
                    raise DeviceError(self.name, f"a simulated heater needs a broker that runs: {why}") from error
                self._log.warning("simulated heater: %s", why)
            finally:
                await self._off()
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        telling = asyncio.create_task(self._tell(client), name="the heater's readings")
        try:
            async for message in client.messages:
                if message.retain:
                    continue
                if str(message.topic) == f"{self._root}/off":
                    await self._off()
                else:
                    await self._set(message.payload)
        finally:
            telling.cancel()
            await asyncio.wait([telling])

    async def _tell(self, client: aiomqtt.Client) -> None:
        with suppress(aiomqtt.MqttError):  # whoever listens hears of it, too
            while True:
                reading = await self._chip.read()
                told = {
                    "temperature_c": reading.temperature_c,
                    "setpoint_c": reading.setpoint_c,
                    "power_mw": reading.power_mw,
                    "resistance_ohm": reading.resistance_ohm,
                    "temperature_std_c": reading.temperature_std_c,
                    "time": reading.time_s,
                    "simulated": True,
                }
                await client.publish(f"{self._root}/reading", json.dumps(told), qos=1)
                await self._clock.sleep(self._period_s)

    async def _set(self, payload: object) -> None:
        try:
            asked = json.loads(payload if isinstance(payload, bytes) else b"")
            target_c, rate_c_per_s = float(asked["target_c"]), float(asked["rate_c_per_s"])
        except (ValueError, TypeError, KeyError) as error:
            self._log.warning("simulated heater: no set point: %.200r (%s)", payload, error)
            return
        if not (target_c <= self._max_c and 0.0 < rate_c_per_s < math.inf):
            self._log.warning("simulated heater: takes no %g C at %g C/s", target_c, rate_c_per_s)
            return
        await self._end_ramp()
        self._ramp = asyncio.create_task(self._ramped(target_c, rate_c_per_s), name="ramp")

    async def _ramped(self, target_c: float, rate_c_per_s: float) -> None:
        """Below the holder's own temperature nothing is heated."""
        try:
            if target_c > AMBIENT_C:
                await self._chip.ramp_to(target_c, rate_c_per_s)
            else:
                await self._chip.quench()
        except AlloyscopeError as error:
            self._log.warning("simulated heater: %s", error)

    async def _off(self) -> None:
        await self._end_ramp()
        await self._chip.quench()

    async def _end_ramp(self) -> None:
        if self._ramp is not None and not self._ramp.done():
            self._ramp.cancel()
            await asyncio.wait([self._ramp])  # to await it itself could not tell its end from one's own
