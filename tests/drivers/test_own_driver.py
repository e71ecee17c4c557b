"""The driver in docs/own-driver.md is short, and does what every driver must."""

import asyncio
import re
from pathlib import Path

import pytest

from drivers.clock import WallClock
from drivers.conformance.check import Bench
from drivers.conformance.chip import CHIP_CHECKS
from drivers.device_thread import ChipInThread, DeviceThread
from drivers.interfaces import DriverContext
from drivers.registry import check_options, load
from simulators.chip import SimulatedChip

DOCUMENT = Path(__file__).parents[2] / "docs" / "own-driver.md"


@pytest.fixture
def driver_file(tmp_path) -> Path:
    (code,) = re.findall(r'```python\n("""my_heater.py.*?)```', DOCUMENT.read_text(), re.DOTALL)
    path = tmp_path / "my_heater.py"
    path.write_text(code)
    return path


def test_it_is_one_file_of_some_sixty_lines_and_is_found_beside_a_session_file(driver_file):
    assert len(driver_file.read_text().splitlines()) <= 70
    assert check_options("chip", "my_heater.py:MyHeater", {"host": "127.0.0.1", "port": 1}, driver_file.parent) == []


@pytest.mark.parametrize("check", CHIP_CHECKS, ids=lambda c: c.name)
def test_it_conforms(check, driver_file, tmp_path):
    """With a heater at the other end of a socket that speaks in its lines."""

    async def main() -> None:
        context = DriverContext(WallClock(), 1, tmp_path, driver_file.parent)
        chip, ramps, lines = SimulatedChip("heater", context), set[asyncio.Task[None]](), set[asyncio.Task]()
        await chip.connect()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            lines.add(asyncio.current_task())
            while line := (await reader.readline()).decode().split():
                if line[0] in ("RAMP", "OFF"):
                    for ramp in ramps:
                        ramp.cancel()
                if line[0] == "RAMP":
                    ramps.add(asyncio.create_task(chip.ramp_to(float(line[1]), float(line[2]))))
                elif line[0] == "OFF":
                    await chip.quench()
                r = await chip.read()
                writer.write(f"{r.temperature_c} {r.setpoint_c} {r.power_mw}\n".encode())
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        options = {"port": server.sockets[0].getsockname()[1]}
        thread = DeviceThread("chip")
        try:
            await check.on(
                Bench(lambda c: ChipInThread(load("chip", "my_heater.py:MyHeater", c, options), thread), context)
            )
        finally:
            await thread.close()
            server.close()
            await server.wait_closed()
            await asyncio.sleep(0.05)  # the heater hears that nobody is there
            await asyncio.gather(*ramps, *lines, return_exceptions=True)

    asyncio.run(main())
