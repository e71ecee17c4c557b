"""A home-built heater through a real mosquitto: what every driver must do, and what happens when somebody is gone."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import pytest

from drivers.clock import WallClock
from drivers.errors import ConfigError, DeviceError, DeviceTimeout, NotConnected
from drivers.interfaces import DriverContext, InstrumentServer
from drivers.mqtt_heater import MqttHeaterChip
from drivers.registry import load
from simulators.servers.mqtt_heater import MqttHeaterServer
from simulators.thermal_history import ThermalHistory
from tests.controller.telemetry.conftest import Mosquitto, free_port, mosquitto, new_mosquitto, retained

__all__ = ["mosquitto", "new_mosquitto"]

ROOT = "lab/heater"
COLD = {"temperature_c": 24.0, "setpoint_c": 25.0}
PROJECT = Path(__file__).parents[2]


def chip_at(port: int, folder: Path = Path("unused"), **options) -> MqttHeaterChip:
    return MqttHeaterChip("chip", DriverContext(WallClock(), 1, folder), "127.0.0.1", ROOT, port, **options)


@pytest.fixture
def simulated(mosquitto, tmp_path) -> Iterator[Mosquitto]:
    """A broker with a simulated heater, which lives in a thread of its own."""
    server: InstrumentServer = MqttHeaterServer(
        "heater", DriverContext(WallClock(), 1, tmp_path), "127.0.0.1", ROOT, mosquitto.port, period_s=0.1
    )
    assert server.told == f"heater: mqtt://127.0.0.1:{mosquitto.port}/{ROOT}"
    ready, loop = threading.Event(), asyncio.new_event_loop()
    serving = loop.create_task(server.serve(ready.set))

    def live() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=live)
    thread.start()
    assert ready.wait(10.0)
    yield mosquitto
    loop.call_soon_threadsafe(serving.cancel)
    thread.join()


@asynccontextmanager
async def built_by_hand(port: int, *readings: dict, for_ever: bool = True) -> AsyncIterator[None]:
    """A heater that hears nothing, and tells these readings, the last of them again and again."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(f"{ROOT}/status", "online", qos=1, retain=True)

        async def tell() -> None:
            with suppress(aiomqtt.MqttError):
                for reading in readings:
                    await asyncio.sleep(0.1)
                    await client.publish(f"{ROOT}/reading", json.dumps(reading), qos=1)
                while for_ever:
                    await asyncio.sleep(0.1)
                    await client.publish(f"{ROOT}/reading", json.dumps(readings[-1]), qos=1)

        telling = asyncio.create_task(tell())
        yield
        telling.cancel()
        await asyncio.wait([telling])


@asynccontextmanager
async def connected(port: int, **options) -> AsyncIterator[MqttHeaterChip]:
    chip = chip_at(port, **options)
    await chip.connect()
    try:
        yield chip
    finally:
        with suppress(DeviceError):
            await chip.close()


async def error_of(chip: MqttHeaterChip, within_s: float, words: str = "") -> DeviceError:
    """What reading comes to say, with these words in it."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                await chip.read()
            except DeviceError as error:
                if words in str(error):
                    return error
            await asyncio.sleep(0.02)


async def temperature_or_error(chip: MqttHeaterChip) -> str:
    try:
        return str((await chip.read()).temperature_c)
    except DeviceError as error:
        return str(error)


async def cold(chip: MqttHeaterChip, within_s: float = 4.0) -> None:
    async with asyncio.timeout(within_s):
        while True:
            if (await chip.read()).temperature_c < 60.0:
                return
            await asyncio.sleep(0.05)


def publish(port: int, topic: str, payload: str, *, retain: bool = False) -> None:
    async def main() -> None:
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.publish(f"{ROOT}/{topic}", payload, qos=1, retain=retain)

    asyncio.run(main())


def test_what_every_chip_must_do(chip_check: Callable, simulated):
    chip_check(lambda context: MqttHeaterChip("chip", context, "127.0.0.1", ROOT, simulated.port, period_s=0.1))


def test_a_pulse_is_seen_as_the_heater_has_it(simulated, tmp_path):
    async def main() -> None:
        async with connected(simulated.port) as chip:
            await chip.ramp_to(450.0, 1000.0)
            hot = await chip.read()
            assert hot.temperature_c == pytest.approx(450.0, abs=2.0)
            assert hot.setpoint_c == pytest.approx(450.0, abs=2.0)
            assert hot.power_mw == pytest.approx(5.5e-2 * 425.0, rel=0.05)
            assert hot.resistance_ohm == pytest.approx(220.0 * (1.0 + 1.6e-3 * 425.0 - 1.5e-7 * 425.0**2), rel=0.01)
            assert hot.stamped_by == "device"
            assert chip.simulated
            await chip.quench()
            await cold(chip)
            assert (await chip.read()).power_mw == 0.0

    asyncio.run(main())
    assert ThermalHistory(tmp_path).new()[:, 1].max() == pytest.approx(450.0, abs=3.0)


HEATER = """
import asyncio, sys
from pathlib import Path
from drivers.clock import WallClock
from drivers.interfaces import DriverContext
from simulators.servers.mqtt_heater import MqttHeaterServer
context = DriverContext(WallClock(), 1, Path(sys.argv[2]))
server = MqttHeaterServer("heater", context, "127.0.0.1", "lab/heater", int(sys.argv[1]), period_s=0.1)
asyncio.run(server.serve(lambda: print("ready", flush=True)))
"""
DRIVER = """
import asyncio, sys
from pathlib import Path
from drivers.clock import WallClock
from drivers.interfaces import DriverContext
from drivers.mqtt_heater import MqttHeaterChip
async def main():
    context = DriverContext(WallClock(), 1, Path("unused"))
    chip = MqttHeaterChip("chip", context, "127.0.0.1", "lab/heater", int(sys.argv[1]))
    await chip.connect()
    await chip.ramp_to(300.0, 1000.0)
    print("ready", flush=True)
    await asyncio.sleep(60.0)
asyncio.run(main())
"""


@asynccontextmanager
async def process_of(program: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Once it says that it is ready; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *map(str, arguments), cwd=PROJECT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def test_a_heater_that_is_killed_is_told_by_its_last_will(mosquitto, tmp_path):
    async def main() -> None:
        async with (
            process_of(HEATER, mosquitto.port, tmp_path) as heater,
            connected(mosquitto.port, answer_s=5.0) as chip,  # so that it is not told by its silence
        ):
            ramp = asyncio.create_task(chip.ramp_to(450.0, 10.0))
            await asyncio.sleep(0.3)
            heater.send_signal(signal.SIGKILL)
            assert "the heater is offline, says lab/heater/status" in str(await error_of(chip, 2.0))
            with pytest.raises(DeviceError, match="is offline"):
                await ramp
            with pytest.raises(DeviceError, match="is offline"):
                await chip.make_safe()
            with pytest.raises(DeviceError, match="is offline"):
                await chip_at(mosquitto.port).connect()

    asyncio.run(main())


def test_a_driver_that_is_killed_leaves_a_heater_that_is_off(simulated):
    async def main() -> None:
        async with process_of(DRIVER, simulated.port) as driver, connected(simulated.port) as chip:
            assert (await chip.read()).temperature_c == pytest.approx(300.0, abs=2.0)
            driver.send_signal(signal.SIGKILL)
            await cold(chip)

    asyncio.run(main())


def test_a_broker_that_is_killed_is_told_and_its_heater_is_off_and_read_again_when_it_is_back(simulated, tmp_path):
    async def main() -> None:
        async with connected(simulated.port) as chip:
            await chip.ramp_to(300.0, 1000.0)
            last = await chip.read()
            await asyncio.to_thread(simulated.kill)
            await error_of(chip, 3.0, "the broker is away: nobody listens at 127.0.0.1")
            with pytest.raises(DeviceError, match="the broker is away"):
                await chip.ramp_to(350.0, 1000.0)
            began_s = time.monotonic()
            with pytest.raises(DeviceError, match=r"could not be told to switch off: nobody listens.*by hand"):
                await chip.make_safe()
            assert time.monotonic() - began_s < 3.0
            await asyncio.sleep(0.5)
            await asyncio.to_thread(simulated.start)
            async with asyncio.timeout(5.0):
                while True:
                    with suppress(DeviceError):
                        again = await chip.read()
                        break
                    await asyncio.sleep(0.05)
            assert again.time_s > last.time_s
            assert again.temperature_c < 60.0
            await chip.ramp_to(100.0, 1000.0)

    asyncio.run(main())
    off = ThermalHistory(tmp_path).new()
    assert off[:, 1].max() == pytest.approx(300.0, abs=3.0)


def test_a_broker_that_hangs_is_told_and_holds_up_nobody(simulated):
    async def main() -> None:
        async with connected(simulated.port) as chip:
            simulated.send(signal.SIGSTOP)
            assert isinstance(await error_of(chip, 3.0), DeviceTimeout)
            for safe, limit_s, told_s in ((chip, 2.0, 0.6), (chip_at(simulated.port), 4.0, 1.5)):
                began_s = time.monotonic()
                with pytest.raises(DeviceError, match=f"switch off: no answer from .* within {told_s} s"):
                    await safe.make_safe()
                assert time.monotonic() - began_s < limit_s
            simulated.send(signal.SIGCONT)

    asyncio.run(main())


def test_what_the_broker_has_kept_is_no_new_reading(mosquitto):
    publish(mosquitto.port, "status", "online", retain=True)
    publish(mosquitto.port, "reading", json.dumps({"temperature_c": 500.0, "setpoint_c": 500.0}), retain=True)
    assert f"{ROOT}/reading" in retained(mosquitto.port, f"{ROOT}/reading")

    async def main() -> None:
        with pytest.raises(DeviceTimeout, match="no reading at lab/heater/reading of 127"):
            await chip_at(mosquitto.port).connect()
        async with built_by_hand(mosquitto.port, COLD), connected(mosquitto.port) as chip:
            assert (await chip.read()).temperature_c == 24.0
            await asyncio.to_thread(mosquitto.kill, signal.SIGTERM)
            await asyncio.to_thread(mosquitto.start)  # it has kept that the heater is online, which it is no more
            async with asyncio.timeout(5.0):
                while "no reading at" not in (told := await temperature_or_error(chip)):
                    assert told == "24.0" or "broker is away" in told or "has said online" in told
                    await asyncio.sleep(0.01)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "words"),
    [("offline", "the heater is offline"), ("", "no heater has said online"), ("up", "is 'up'; it must be online")],
)
def test_a_status_that_is_not_online_is_told_also_by_who_only_switches_off(mosquitto, status, words):
    publish(mosquitto.port, "status", status, retain=True)

    async def main() -> None:
        with pytest.raises(DeviceError, match=words):
            await chip_at(mosquitto.port).connect()
        with pytest.raises(DeviceError, match=words):
            await chip_at(mosquitto.port).make_safe()

    asyncio.run(main())


def test_a_heater_that_falls_silent_is_told(mosquitto):
    async def main() -> None:
        async with (
            built_by_hand(mosquitto.port, COLD, COLD, COLD, for_ever=False),
            connected(mosquitto.port, answer_s=0.5, period_s=0.1) as chip,
        ):
            began_s = time.monotonic()
            error = await error_of(chip, 3.0)
            assert 0.4 < time.monotonic() - began_s < 1.5
            assert isinstance(error, DeviceTimeout)
            assert "is the heater's program stuck?" in str(error)

    asyncio.run(main())


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature_c": 20.0},
        {"temperature_c": "20", "setpoint_c": 20.0},
        {"temperature_c": float("nan"), "setpoint_c": 20.0},
        {"temperature_c": 20.0, "setpoint_c": float("inf")},
        {"temperature_c": True, "setpoint_c": 20.0},
        [20.0, 20.0],
    ],
)
def test_what_is_no_reading_is_told_and_not_read(mosquitto, bad):
    async def main() -> None:
        async with built_by_hand(mosquitto.port, bad):
            with pytest.raises(DeviceTimeout, match="what came was none"):
                await chip_at(mosquitto.port, answer_s=0.5, period_s=0.1).connect()

    asyncio.run(main())


def test_a_heater_that_takes_no_notice_is_told(mosquitto):
    async def main() -> None:
        async with built_by_hand(mosquitto.port, COLD), connected(mosquitto.port, answer_s=0.5) as chip:
            with pytest.raises(DeviceError, match=r"its set point stays at 25\.0 C; does it listen at lab/heater/set"):
                await chip.ramp_to(300.0, 100.0)

    asyncio.run(main())


def test_readings_are_on_the_sessions_clock_and_one_that_comes_twice_is_one(mosquitto):
    async def main(stamps: list[float | None]) -> list[tuple[float, str]]:
        told = [COLD | ({} if stamp is None else {"time": stamp}) for stamp in stamps]
        context = DriverContext(WallClock(), 1, Path("unused"))
        async with built_by_hand(mosquitto.port, *told, for_ever=False):
            chip = MqttHeaterChip("chip", context, "127.0.0.1", ROOT, mosquitto.port)
            await chip.connect()
            seen = {}
            for _ in range(40):
                reading = await chip.read()
                seen[reading.time_s] = reading.stamped_by
                assert -0.01 < context.clock.now() - reading.time_s < 0.6
                await asyncio.sleep(0.01)
            await chip.close()
        return list(seen.items())

    asked = asyncio.run(main([1e6, 1e6 + 0.1, 1e6 + 0.1, 1e6 + 0.2]))
    assert [by for _, by in asked] == ["device"] * len(asked)
    assert asked[-1][0] - asked[0][0] == pytest.approx(0.1 * (len(asked) - 1), abs=0.03)
    assert len(asked) <= 3
    assert {by for _, by in asyncio.run(main([None] * 5))} == {"session"}


def test_a_heater_that_says_the_same_again_and_again_is_told(mosquitto):
    async def main() -> None:
        async with (
            built_by_hand(mosquitto.port, COLD | {"time": 5.0}),
            connected(mosquitto.port, answer_s=0.5, period_s=0.1) as chip,
        ):
            error = await error_of(chip, 3.0)
            assert isinstance(error, DeviceTimeout)
            assert "not after the one before it" in str(error)

    asyncio.run(main())


def test_made_safe_without_being_connected(simulated):
    async def main() -> None:
        async with connected(simulated.port) as chip:
            await chip.ramp_to(300.0, 1000.0)
            await chip_at(simulated.port).make_safe()
            await cold(chip)

    asyncio.run(main())


def test_a_ramp_ends_in_words_when_the_heater_is_switched_off(simulated):
    async def main() -> None:
        async with connected(simulated.port) as chip:
            ramp = asyncio.create_task(chip.ramp_to(300.0, 20.0))
            await asyncio.sleep(0.5)
            await chip.make_safe()
            with pytest.raises(DeviceError, match="something else was asked before 300 C was reached"):
                await ramp

    asyncio.run(main())


def test_asked_before_connect(mosquitto):
    with pytest.raises(NotConnected, match="before connect"):
        asyncio.run(chip_at(mosquitto.port).read())
    asyncio.run(chip_at(mosquitto.port).close())


def test_a_broker_that_is_not_there_is_told(tmp_path):
    port = free_port()
    with pytest.raises(DeviceError, match=f"the broker is away: nobody listens at 127.0.0.1:{port}"):
        asyncio.run(chip_at(port).connect())
    server = MqttHeaterServer("h", DriverContext(WallClock(), 1, tmp_path), "127.0.0.1", ROOT, port)
    with pytest.raises(DeviceError, match="needs a broker that runs: nobody listens"):
        asyncio.run(server.serve())


def test_who_one_is_at_the_broker(new_mosquitto, tmp_path, monkeypatch):
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", users, "lab", "secret"], check=True, capture_output=True)
    broker = new_mosquitto("allow_anonymous false", f"password_file {users}")
    broker.start()
    (tmp_path / "right").write_text("secret\n")
    (tmp_path / "wrong").write_text("guess\n")
    (tmp_path / "right").chmod(0o600)
    (tmp_path / "wrong").chmod(0o600)
    monkeypatch.setenv("HEATER_PASSWORD", "secret")
    context = DriverContext(WallClock(), 1, tmp_path, origin=tmp_path)

    async def main() -> None:
        server = MqttHeaterServer("h", context, "127.0.0.1", ROOT, broker.port, "lab", password_env="HEATER_PASSWORD")
        ready = asyncio.Event()
        serving = asyncio.create_task(server.serve(ready.set))
        await ready.wait()
        for options, words in (
            ({}, "refuses clients without a password"),
            ({"username": "lab", "password_file": "wrong"}, "refuses user name 'lab' or its password"),
        ):
            with pytest.raises(DeviceError, match=words):
                await MqttHeaterChip("chip", context, "127.0.0.1", ROOT, broker.port, **options).connect()
        chip = MqttHeaterChip("chip", context, "127.0.0.1", ROOT, broker.port, "lab", password_file="right")
        await chip.connect()
        await chip.close()
        serving.cancel()
        await asyncio.wait([serving])

    asyncio.run(main())


def test_options_that_make_no_sense_are_refused(tmp_path):
    (tmp_path / "open").write_text("secret\n")
    (tmp_path / "open").chmod(0o644)
    context = DriverContext(WallClock(), 1, tmp_path, origin=tmp_path)
    for options, words in (
        ({"root": "lab/#"}, "write the heater's topic"),
        ({"host": ""}, "write the broker's address"),
        ({"port": 0}, "a port up to 65535"),
        ({"period_s": 0.0}, "write values above 0"),
        ({"username": "lab"}, "write the first with one of the others"),
        ({"password": "secret"}, "has no such option"),
        ({"username": "lab", "password_file": "open"}, "others can read it"),
        ({"username": "lab", "password_env": "NOT_THERE_AT_ALL"}, "no environment variable NOT_THERE_AT_ALL"),
        ({"tls": True, "ca_file": "none.pem"}, "cannot be used"),
    ):
        with pytest.raises(ConfigError, match=words):
            load("chip", "drivers.mqtt_heater:MqttHeaterChip", context, {"host": "127.0.0.1", "root": ROOT} | options)


def test_the_simulated_heater_takes_nothing_that_was_kept_nor_what_is_none(mosquitto, tmp_path):
    publish(mosquitto.port, "set", '{"target_c": 400.0, "rate_c_per_s": 1000.0}', retain=True)

    async def main() -> None:
        context = DriverContext(WallClock(), 1, tmp_path)
        server = MqttHeaterServer("h", context, "127.0.0.1", ROOT, mosquitto.port, period_s=0.1, max_c=350.0)
        ready = asyncio.Event()
        serving = asyncio.create_task(server.serve(ready.set))
        await ready.wait()
        async with connected(mosquitto.port) as chip, aiomqtt.Client("127.0.0.1", mosquitto.port) as other:
            for payload in ("", "{}", "[]", '{"target_c": "hot", "rate_c_per_s": 1}', '{"target_c": NaN}'):
                await other.publish(f"{ROOT}/set", payload, qos=1)
            await other.publish(f"{ROOT}/set", '{"target_c": 360.0, "rate_c_per_s": 1000.0}', qos=1)
            with pytest.raises(DeviceError, match="its set point stays"):
                await chip.ramp_to(400.0, 1000.0)
            await chip.ramp_to(300.0, 1000.0)
        serving.cancel()
        await asyncio.wait([serving])

    asyncio.run(main())
    assert ThermalHistory(tmp_path).new()[:, 1].max() == pytest.approx(300.0, abs=3.0)
