"""Who is cancelled while a broker is spoken to ends, whatever the broker answers in that very moment."""

import asyncio
from pathlib import Path

import aiomqtt
import pytest

from drivers import broker_connection
from drivers.broker import Broker
from drivers.clock import WallClock
from drivers.interfaces import DriverContext
from simulators.servers.mqtt_heater import MqttHeaterServer
from tests.controller.telemetry.conftest import mosquitto, new_mosquitto

__all__ = ["mosquitto", "new_mosquitto"]

ROOT = "lab/heater"


@pytest.mark.parametrize("answered_first", [True, False])
def test_a_cancellation_that_comes_with_the_answer_is_heard(mosquitto, answered_first):
    async def main() -> None:
        connected = broker_connection.client(Broker("127.0.0.1", mosquitto.port, None, None, None))
        async with connected:
            publishing = asyncio.create_task(connected.publish("a", b"1", qos=1))
            while not connected._pending_publishes:  # noqa: ASYNC110  # step by step of the loop
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            (acknowledged,) = connected._pending_publishes.values()
            if answered_first:
                acknowledged.set()
            publishing.cancel()
            acknowledged.set()
            await asyncio.wait([publishing], timeout=5.0)
            assert publishing.cancelled()

    asyncio.run(main())


def test_a_simulated_heater_ends_when_it_is_cancelled_while_it_ends_a_ramp(mosquitto, tmp_path: Path):
    async def main() -> None:
        server = MqttHeaterServer(
            "heater", DriverContext(WallClock(), 1, tmp_path), "127.0.0.1", ROOT, mosquitto.port, period_s=0.01
        )
        ready = asyncio.Event()
        serving = asyncio.create_task(server.serve(ready.set))
        async with asyncio.timeout(10.0):
            await ready.wait()
            async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
                await client.publish(f"{ROOT}/set", '{"target_c": 400.0, "rate_c_per_s": 1.0}', qos=1)
                await client.publish(f"{ROOT}/off", "{}", qos=1)
            while server._ramp is None or not server._ramp.cancelling():  # noqa: ASYNC110  # step by step
                await asyncio.sleep(0)
        serving.cancel()
        await asyncio.wait([serving], timeout=3.0)
        assert serving.cancelled()

    asyncio.run(main())
