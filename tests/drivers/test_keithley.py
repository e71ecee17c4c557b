"""Our closed loop on a simulated Keithley: real sockets, a 12-bit converter, and everything that can come off."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from drivers.clock import ScaledClock
from drivers.device_thread import ChipInThread, DeviceThread
from drivers.errors import DeviceError, LimitExceeded
from drivers.interfaces import DriverContext
from drivers.keithley import KeithleyChip
from drivers.limits import ChipLimits
from simulators.servers.keithley import KeithleyServer
from simulators.thermal_history import ThermalHistory

SHEET = {"r0_ohm": 220.0, "alpha_per_c": 1.6e-3, "beta_per_c2": -1.5e-7, "alpha_std_per_c": 8e-6}
LIMITS = ChipLimits(max_c=500.0)
SLOW, SLOWEST = 0.5, 0.25
"""Of real time, for what is measured to a millisecond: a busy computer is no part of it."""


class Bench:
    """A simulated instrument that serves, and a chip on it."""

    def __init__(self, folder: Path, speed: float, limits: ChipLimits, options: dict) -> None:
        self.clock, self._folder = ScaledClock(speed), folder
        context = DriverContext(self.clock, 1, folder, limits=limits)
        self.server = KeithleyServer("source meter", context)
        made = {"host": "127.0.0.1", "port": self.server.port, "calibration": SHEET} | options
        self.chip = KeithleyChip("chip", context, **made)

    def history(self) -> np.ndarray:
        """(time, true temperature)."""
        return ThermalHistory(self._folder).new()

    async def until(self, true: Callable[[], bool], limit_s: float, what: str) -> None:
        began_s = self.clock.now()
        while not true():
            assert self.clock.now() - began_s < limit_s, f"{what} took longer than {limit_s} s"
            await self.clock.sleep(0.01)

    async def fails(self, words: str, limit_s: float = 1.0) -> None:
        """Readings do, saying why."""
        began_s = self.clock.now()
        while (said := await self._said()) is None:
            assert self.clock.now() - began_s < limit_s, f"nobody noticed: {words}"
            await self.clock.sleep(0.01)
        assert words in said

    async def _said(self) -> str | None:
        try:
            await self.chip.read()
        except DeviceError as error:
            return str(error)
        return None

    async def cold(self, limit_s: float = 1.0) -> None:
        await self.until(lambda: self.server.true_c < 60.0, limit_s, "cooling")


@asynccontextmanager
async def bench(folder: Path, speed: float = 1.0, limits: ChipLimits = LIMITS, **options) -> AsyncIterator[Bench]:
    made = Bench(folder, speed, limits, options)
    serving = asyncio.create_task(made.server.serve())
    try:
        await made.chip.connect()
        try:
            yield made
        finally:
            await made.chip.close()
    finally:
        serving.cancel()
        await asyncio.wait([serving])


def test_450_degrees_are_reached_held_and_left_again(tmp_path):
    async def main() -> None:
        async with bench(tmp_path, SLOWEST) as b:
            assert b.chip.simulated
            began_s = b.clock.now()
            await b.chip.ramp_to(450.0, 2000.0)
            reached_s = b.clock.now() - began_s
            readings, cooling = [], []
            while b.clock.now() < began_s + 1.8:
                await b.clock.sleep(0.02)
                readings.append(await b.chip.read())
            quenched_s = b.clock.now()
            await b.chip.quench()
            while (read := await b.chip.read()).temperature_c > 60.0:
                cooling.append(read)
                await b.clock.sleep(0.01)
            assert read.time_s - quenched_s < 1.0
            assert read.power_mw < 1.0
            await b.clock.sleep(0.7)
            assert (await b.chip.read()).temperature_c == pytest.approx(26.0, abs=6.0)
        assert not b.server.output_is_on
        assert reached_s < 0.5
        time_s, true_c = b.history().T
        up = (time_s > began_s) & (true_c > 100.0) & (true_c < 400.0) & (time_s < began_s + 0.3)
        assert np.polyfit(time_s[up], true_c[up], 1)[0] == pytest.approx(2000.0, rel=0.05)
        assert true_c.max() < 450.0 + 6.0
        settled = (time_s > began_s + 0.5) & (time_s < quenched_s)
        assert np.sqrt(np.mean((true_c[settled] - 450.0) ** 2)) < 0.5
        late = [r for r in readings if r.time_s > began_s + 0.5]
        assert np.sqrt(np.mean([(r.temperature_c - 450.0) ** 2 for r in late])) < 0.5
        assert all(r.setpoint_c == 450.0 and r.period_s > 0.0 and r.temperature_std_c > 1.0 for r in late)
        assert np.mean([r.power_mw for r in late]) == pytest.approx(25.0, rel=0.05)
        assert np.all(np.diff([r.time_s for r in readings]) > 0.0)
        assert len(cooling) > 5
        off_c = [r.temperature_c - np.interp(r.time_s, time_s, true_c) for r in cooling]
        assert np.abs(off_c).max() < 30.0  # 4000 C/s at first

    asyncio.run(main())


def test_a_reading_is_of_one_moment_also_while_the_chip_is_quenched(tmp_path):
    """Power of before and set point of afterwards would look like a runaway."""

    async def main() -> None:
        async with bench(tmp_path) as b:
            await b.chip.ramp_to(450.0, 2000.0)
            quench = asyncio.create_task(b.chip.quench())
            readings = []
            while not quench.done() or readings[-1].temperature_c > 60.0:
                readings.append(await b.chip.read())
                await asyncio.sleep(0)
            assert {r.setpoint_c for r in readings} == {450.0, 25.0}
            assert all((r.power_mw > 10.0) == (r.setpoint_c == 450.0) for r in readings)

    asyncio.run(main())


@pytest.mark.parametrize("rate", [300.0, 1000.0])
def test_a_ramp_is_as_fast_as_asked_up_and_down(tmp_path, rate):
    async def main() -> None:
        async with bench(tmp_path, SLOW) as b:
            await b.chip.ramp_to(400.0, rate)
            down_s = b.clock.now()
            await b.chip.ramp_to(200.0, rate)
            over_s = b.clock.now()
        time_s, true_c = b.history().T
        for sign, part in ((1.0, time_s < down_s), (-1.0, (time_s > down_s) & (time_s < over_s))):
            between = part & (true_c > 230.0) & (true_c < 370.0)
            assert np.polyfit(time_s[between], true_c[between], 1)[0] == pytest.approx(sign * rate, rel=0.05)

    asyncio.run(main())


def test_a_ramp_that_is_cancelled_holds_and_one_that_is_quenched_stays_cold(tmp_path):
    """In a thread of its own, as in a session."""

    async def main() -> None:
        made = Bench(tmp_path, 1.0, LIMITS, {})
        thread = DeviceThread("chip")
        chip, serving = ChipInThread(made.chip, thread), asyncio.create_task(made.server.serve())
        await chip.connect()
        ramp = asyncio.create_task(chip.ramp_to(450.0, 500.0))
        await made.until(lambda: made.server.true_c > 200.0, 5.0, "the ramp")
        ramp.cancel()
        await asyncio.wait([ramp])
        await asyncio.sleep(0.5)
        here_c = (await chip.read()).setpoint_c
        assert 200.0 < here_c < 400.0
        assert made.server.true_c == pytest.approx(here_c, abs=3.0)
        ramp = asyncio.create_task(chip.ramp_to(450.0, 100.0))
        await asyncio.sleep(0.2)
        ramp.cancel()
        await chip.quench()
        await made.cold()
        await asyncio.sleep(0.3)
        assert made.server.true_c < 60.0
        await chip.close()
        await thread.close()
        assert not made.server.output_is_on
        serving.cancel()
        await asyncio.wait([ramp, serving])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"sense_lead": "floats"}, "sense lead off"),
        ({"sense_lead": "follows"}, "sense lead off"),
        ({"heater_open": True}, "open heater"),
    ],
)
def test_a_lead_that_comes_off_ends_cold_and_named(tmp_path, fault, words):
    async def main() -> None:
        async with bench(tmp_path) as b:
            await b.chip.ramp_to(450.0, 2000.0)
            for name, value in fault.items():
                setattr(b.server.faults, name, value)
            await b.fails(words)
            await b.cold()
            assert b.history()[:, 1].max() < LIMITS.max_c
            with pytest.raises(DeviceError, match=words):
                await b.chip.ramp_to(300.0, 1000.0)
            for name in fault:
                setattr(b.server.faults, name, "on" if name == "sense_lead" else False)
            await b.clock.sleep(0.2)  # the jump back is one, too
            await b.chip.make_safe()
            assert (await b.chip.read()).temperature_c < 60.0

    asyncio.run(main())


def test_a_chip_with_a_lead_off_is_refused_at_once(tmp_path):
    async def main() -> None:
        made = Bench(tmp_path, 1.0, LIMITS, {})
        serving = asyncio.create_task(made.server.serve())
        made.server.faults.sense_lead = "floats"
        with pytest.raises(DeviceError, match="sense lead off"):
            await made.chip.connect()
        assert not made.server.output_is_on
        serving.cancel()
        await asyncio.wait([serving])

    asyncio.run(main())


def test_a_lost_line_is_named_and_built_anew_to_switch_off(tmp_path):
    async def main() -> None:
        async with bench(tmp_path) as b:
            await b.chip.ramp_to(450.0, 2000.0)
            b.server.cut_line()
            await b.fails("is lost")
            with pytest.raises(DeviceError, match="is lost"):
                await b.chip.make_safe()
            assert b.server.true_c > 400.0
            b.server.mend_line()
            await b.cold(2.0)
            with pytest.raises(DeviceError, match="is lost"):  # until somebody has taken note
                await b.chip.read()
            await b.chip.make_safe()
            assert (await b.chip.read()).temperature_c < 62.0  # cold is 60 C; it is read with noise
            await b.chip.ramp_to(200.0, 1000.0)

    asyncio.run(main())


def test_an_instrument_that_answers_no_more_is_a_lost_line(tmp_path):
    async def main() -> None:
        async with bench(tmp_path) as b:
            await b.chip.ramp_to(450.0, 2000.0)
            b.server.silent = True
            await b.fails("no answer within")
            b.server.silent = False
            await b.cold(2.0)
            await b.chip.make_safe()

    asyncio.run(main())


def test_a_relay_that_is_stuck_is_named_by_whoever_switches_off(tmp_path):
    async def main() -> None:
        async with bench(tmp_path) as b:
            await b.chip.ramp_to(450.0, 2000.0)
            b.server.faults.relay_stuck = True
            for call in (b.chip.quench, b.chip.make_safe, b.chip.read):
                with pytest.raises(DeviceError, match="still powered"):
                    await call()
            assert b.server.true_c > 400.0
            assert not b.server.output_is_on  # by its own account
            b.server.faults.relay_stuck = False
            await b.chip.make_safe()
            await b.cold()
            assert (await b.chip.read()).power_mw < 1.0

    asyncio.run(main())


def test_a_relay_that_sticks_at_the_end_is_named_by_close(tmp_path):
    async def main() -> None:
        with pytest.raises(DeviceError, match="still powered"):
            async with bench(tmp_path, sense_current_ma=0.9) as b:
                b.server.faults.relay_stuck = True

    asyncio.run(main())


def test_what_the_instrument_reports_is_told_and_the_heater_cold(tmp_path):
    async def main() -> None:
        async with bench(tmp_path) as b:
            await b.chip.ramp_to(450.0, 2000.0)
            b.server.fill_error(-320, "Storage fault")
            await b.fails("reports error -320: Storage fault", 2.0)
            await b.cold(2.0)
            await b.chip.make_safe()

    asyncio.run(main())


def test_an_output_switched_off_by_hand_is_noticed(tmp_path):
    async def main() -> None:
        async with bench(tmp_path) as b:
            await b.chip.ramp_to(450.0, 2000.0)
            _, writer = await asyncio.open_connection("127.0.0.1", b.server.port)
            writer.write(b":OUTP OFF\n")
            await b.fails("switched off by hand")
            writer.close()
            await writer.wait_closed()
            await b.cold()
            await b.chip.make_safe()
            assert (await b.chip.read()).resistance_ohm == pytest.approx(220.0, rel=0.2)

    asyncio.run(main())


def test_a_heater_left_on_by_somebody_is_off_once_connected(tmp_path):
    async def main() -> None:
        made = Bench(tmp_path, 1.0, LIMITS, {})
        serving = asyncio.create_task(made.server.serve())
        _, writer = await asyncio.open_connection("127.0.0.1", made.server.port)
        writer.write(b":SOUR:FUNC CURR;:SOUR:CURR 0.0083;:OUTP ON\n")
        await made.until(lambda: made.server.true_c > 400.0, 3.0, "heating")
        await made.chip.make_safe()  # connects, too
        await made.cold()
        await made.chip.close()
        writer.close()
        await writer.wait_closed()
        serving.cancel()
        await asyncio.wait([serving])

    asyncio.run(main())


def test_what_power_does_not_allow_is_refused_in_a_sentence(tmp_path):
    async def main() -> None:
        async with bench(tmp_path, limits=ChipLimits(max_c=500.0, max_power_mw=15.0)) as b:
            with pytest.raises(DeviceError, match=r"450 C cannot be reached.*the most that"):
                await b.chip.ramp_to(450.0, 2000.0)
            assert (await b.chip.read()).power_mw < 15.0
            with pytest.raises(LimitExceeded):
                await b.chip.ramp_to(501.0, 2000.0)
            with pytest.raises(DeviceError, match=r"15 C cannot be reached.*as cold as"):
                await b.chip.ramp_to(15.0, 2000.0)

    asyncio.run(main())


def test_another_instrument_is_refused(tmp_path):
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.readline():
                writer.write(b"FLUKE,45,1,1\n")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        chip = Bench(tmp_path, 1.0, LIMITS, {"port": port})
        chip.server.close()
        with pytest.raises(DeviceError, match=r"'FLUKE,45,1,1', no Keithley 2450"):
            await chip.chip.connect()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sense_current_ma": 3.0}, "would heat"),
        ({"max_current_ma": 0.4}, "below the second"),
        ({"compliance_v": 0.1}, "compliance_v"),
        ({"nplc": 20.0}, "nplc"),
        ({"terminals": "side"}, "terminals"),
        ({"thermal_s": 0.0}, "thermal_s"),
        ({"port": 0}, "port"),
        ({"host": ""}, "address"),
        ({"calibration": {"r0_ohm": 220.0}}, "alpha_per_c"),
    ],
)
def test_options_without_sense_are_refused(tmp_path, options, words):
    made = {"host": "127.0.0.1", "calibration": SHEET} | options
    with pytest.raises(ValueError, match=words):
        KeithleyChip("chip", DriverContext(ScaledClock(), 1, tmp_path), **made)
