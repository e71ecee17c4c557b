"""Impulse's wire: our driver and the vendor's own client against the simulated program, and against bad answers."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
import zmq
import zmq.asyncio

from drivers.clock import WallClock
from drivers.errors import DeviceError, DeviceTimeout
from drivers.impulse import ImpulseChip
from drivers.interfaces import DriverContext
from drivers.limits import ChipLimits
from simulators.servers.impulse import ImpulseServer
from simulators.thermal_history import ThermalHistory

HOT_C = 450.0


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture
def rehearsed(tmp_path) -> Callable[[Callable[[ImpulseChip], Awaitable[object]]], None]:
    """Run a coroutine with a driver that is connected to a simulated Impulse."""

    def run(main: Callable[[ImpulseChip], Awaitable[object]]) -> None:
        async def whole() -> None:
            control, data = free_ports(2)
            context = DriverContext(WallClock(), 1, tmp_path, limits=ChipLimits(max_c=1500.0))
            server = ImpulseServer("impulse", context, control_port=control, data_port=data, period_s=0.1, max_c=1000.0)
            serving = asyncio.create_task(server.serve())
            chip = ImpulseChip("chip", context, control_port=control, data_port=data)
            try:
                await chip.connect()
                await main(chip)
            finally:
                await chip.close()
                serving.cancel()
                await asyncio.wait([serving])

        asyncio.run(whole())

    return run


def answered(told: Callable[[dict[str, Any]], object], ask: Callable[[ImpulseChip], Coroutine[Any, Any, object]], path):
    """What the driver makes of a program that answers like this."""

    async def main() -> None:
        control, data = free_ports(2)
        with zmq.asyncio.Context() as context, context.socket(zmq.REP) as rep, context.socket(zmq.PUB) as pub:
            rep.bind(f"tcp://127.0.0.1:{control}")
            pub.bind(f"tcp://127.0.0.1:{data}")

            async def serve() -> None:
                while True:
                    answer = told(json.loads(await rep.recv()))
                    await rep.send(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

            serving = asyncio.create_task(serve())
            chip = ImpulseChip(
                "chip", DriverContext(WallClock(), 1, path), control_port=control, data_port=data, answer_s=0.5
            )
            try:
                await ask(chip)
            finally:
                with suppress(DeviceError):
                    await chip.close()
                serving.cancel()
                await asyncio.wait([serving])

    asyncio.run(main())


def test_a_pulse_is_ramped_held_and_quenched_as_asked(rehearsed, tmp_path):
    async def main(chip: ImpulseChip) -> None:
        assert chip.simulated
        await chip.ramp_to(HOT_C, 1000.0)
        hot = await chip.read()
        assert hot.temperature_c == pytest.approx(HOT_C, abs=2.0)
        assert hot.setpoint_c == pytest.approx(HOT_C, abs=2.0)
        assert hot.power_mw == pytest.approx(5.5e-2 * (HOT_C - 25.0), rel=0.05)
        assert hot.resistance_ohm is None
        assert hot.stamped_by == "device"
        await chip.quench()
        times = []
        async with asyncio.timeout(5.0):
            while (reading := await chip.read()).temperature_c > 60.0:
                times.append(reading.time_s)
                await asyncio.sleep(0.02)
        assert times == sorted(times)
        assert reading.power_mw == 0.0

    rehearsed(main)
    assert ThermalHistory(tmp_path).new()[:, 1].max() == pytest.approx(HOT_C, abs=3.0)


def test_a_ramp_takes_as_long_as_its_rate_says(rehearsed, tmp_path):
    async def main(chip: ImpulseChip) -> None:
        await chip.ramp_to(225.0, 200.0)

    rehearsed(main)
    points = ThermalHistory(tmp_path).new()
    rising = points[(points[:, 1] > 60.0) & (points[:, 1] < 200.0)]
    rising = rising[: int(rising[:, 1].argmax()) + 1]
    rate = (rising[-1, 1] - rising[0, 1]) / (rising[-1, 0] - rising[0, 0])
    assert rate == pytest.approx(200.0, rel=0.05)


def test_readings_are_on_the_sessions_clock_though_the_program_counts_from_its_own_start(tmp_path):
    async def main() -> None:
        control, data = free_ports(2)
        theirs = DriverContext(WallClock(), 1, tmp_path)
        serving = asyncio.create_task(ImpulseServer("i", theirs, control_port=control, data_port=data).serve())
        await asyncio.sleep(0.5)
        clock = WallClock()
        chip = ImpulseChip("chip", DriverContext(clock, 1, tmp_path), control_port=control, data_port=data)
        try:
            await chip.connect()
            assert 0.0 <= clock.now() - (await chip.read()).time_s < 0.4
        finally:
            await chip.close()
            serving.cancel()
            await asyncio.wait([serving])

    asyncio.run(main())


def test_what_impulse_refuses_is_told_in_its_own_words(rehearsed):
    async def main(chip: ImpulseChip) -> None:
        with pytest.raises(DeviceError, match="temperature: must be a number in its range"):
            await chip.ramp_to(1200.0, 100.0)

    rehearsed(main)


BAD_STARTS = {
    "no program": (lambda _: b"", "Impulse refused"),
    "not in control": (lambda _: {"resultCode": "ok", "data": {"status": "idle"}}, "takes commands in 'control'"),
    "no heater": (
        lambda asked: {"resultCode": "ok", "data": {"status": "control", "activeChannels": ["gas"]}},
        "no heating channel",
    ),
    "no temperature": (
        lambda asked: {
            "resultCode": "ok",
            "data": {"status": "control", "activeChannels": ["heat"], "properties": ["experimentDuration"]},
        },
        "gives no temperatureMeasured",
    ),
    "no readings": (
        lambda asked: {
            "resultCode": "ok",
            "data": {
                "status": "control",
                "activeChannels": ["heat"],
                "properties": ["experimentDuration", "temperatureMeasured", "temperatureSetpoint"],
            },
        },
        "has published no reading",
    ),
}


@pytest.mark.parametrize("what", BAD_STARTS)
def test_a_program_that_cannot_be_used_is_told(tmp_path, what):
    told, words = BAD_STARTS[what]
    with pytest.raises(DeviceError, match=words):
        answered(told, lambda chip: chip.connect(), tmp_path)


def test_a_program_that_is_not_there_is_told_and_a_request_after_it_still_works(tmp_path):
    async def main() -> None:
        control, data = free_ports(2)
        context = DriverContext(WallClock(), 1, tmp_path)
        chip = ImpulseChip("chip", context, control_port=control, data_port=data, answer_s=0.3)
        with pytest.raises(DeviceError, match="is Impulse running") as error:
            await chip.connect()
        assert isinstance(error.value.__cause__, DeviceTimeout)
        serving = asyncio.create_task(ImpulseServer("i", context, control_port=control, data_port=data).serve())
        try:
            await asyncio.sleep(0.2)
            await chip.connect()
            await chip.close()
        finally:
            serving.cancel()
            await asyncio.wait([serving])

    asyncio.run(main())


VENDORS_CLIENT = """
import impulsePy, time
impulsePy.heat.startRamp(300.0, "rampTime", 0.4)
until = time.monotonic() + 10.0
while impulsePy.status.get("heat") != "ready" and time.monotonic() < until:
    time.sleep(0.05)
time.sleep(0.5)
hot = impulsePy.heat.data.getNewData()
impulsePy.heat.set(21)
time.sleep(1.5)
cold = impulsePy.heat.data.getNewData()
impulsePy.disconnect()
print("RESULT", hot["temperatureMeasured"], hot["powerMeasured"], cold["temperatureMeasured"], cold["sequenceNumber"])
"""


def test_the_vendors_own_client_drives_the_simulated_program(tmp_path):
    """impulsePy knows only the vendor's ports."""

    async def main() -> str:
        serving = asyncio.create_task(ImpulseServer("impulse", DriverContext(WallClock(), 1, tmp_path)).serve())
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", "-c", VENDORS_CLIENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            async with asyncio.timeout(60.0):
                out, err = await client.communicate()
        finally:
            serving.cancel()
            await asyncio.wait([serving])
        assert client.returncode == 0, err.decode()
        return out.decode()

    told = asyncio.run(main()).partition("RESULT ")[2].split()
    hot_c, power_mw, cold_c, sequence = map(float, told)
    assert hot_c == pytest.approx(300.0, abs=2.0)
    assert power_mw == pytest.approx(5.5e-2 * 275.0, rel=0.05)
    assert cold_c < 60.0
    assert sequence > 5
