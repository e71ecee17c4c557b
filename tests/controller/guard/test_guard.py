import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controller.guard.chip_readings import ChipReadings
from controller.guard.guard import Guard
from drivers.clock import SteppedClock
from drivers.errors import InterlockTripped, LimitExceeded
from drivers.interfaces import DriverContext, HeaterReading
from drivers.limits import ChipLimits
from drivers.recorded.journal import Journal
from simulators.chip import SimulatedChip


class RunawayChip(SimulatedChip):
    """Reads hotter and hotter whatever is asked."""

    async def read(self) -> HeaterReading:
        reading = await super().read()
        return HeaterReading(reading.time_s, 200.0 + 100.0 * reading.time_s, 200.0, 1.0, 20.0)


class BrokenChip(SimulatedChip):
    """Heated, its readings fail, or are no numbers, or take their time, for 3 s."""

    def __init__(self, *args, how: str) -> None:
        super().__init__(*args)
        self.how, self.broken_at_s = how, float("inf")

    async def read(self) -> HeaterReading:
        reading = await super().read()
        if self.broken_at_s <= reading.time_s < self.broken_at_s + 3.0:
            if self.how == "fails":
                raise OSError("no such port")
            if self.how == "hangs":
                await self._clock.sleep(3.0)
            return replace(reading, temperature_c=float("nan"), power_mw=0.0)
        return reading


@contextmanager
def guard_of(clock: SteppedClock, folder: Path, chip: SimulatedChip | None = None) -> Iterator[Guard]:
    chip = chip or SimulatedChip("chip", DriverContext(clock, 1, folder))
    journal = Journal(folder / "guard.jsonl", clock)
    readings = ChipReadings(folder / "chip.csv")
    yield Guard(chip, ChipLimits(max_c=500.0), journal, readings, clock, period_s=0.05, heartbeat_limit_s=0.5)
    journal.close()
    readings.close()


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "guard.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("target_c", "rate"), [(501.0, 100.0), (450.0, 1e6), (float("nan"), 1.0), (-50.0, 1.0)])
def test_what_is_outside_the_limits_is_never_sent(stepped, tmp_path, target_c, rate):
    async def main(clock: SteppedClock) -> None:
        with guard_of(clock, tmp_path) as guard:
            await guard.connect()
            with pytest.raises(LimitExceeded):
                await guard.ramp_to(target_c, rate)
            assert not [r for r in records(tmp_path) if r["what"] == "ramp"]

    stepped(main)


def test_of_ramps_asked_for_at_once_the_last_goes_on_and_no_call_waits_for_ever(stepped, tmp_path):
    async def main(clock: SteppedClock) -> None:
        with guard_of(clock, tmp_path) as guard:
            await guard.connect()
            async with asyncio.TaskGroup() as calls:
                calls.create_task(guard.ramp_to(450.0, 1.0))
                await clock.sleep(1.0)
                for target_c in (100.0, 450.0, 200.0):
                    calls.create_task(guard.ramp_to(target_c, 100.0))
                began_s = clock.now()
            assert clock.now() - began_s < 10.0
            assert (await guard._chip.read()).temperature_c == pytest.approx(200.0, abs=2.0)

    stepped(main)


def test_a_ramp_that_waited_for_another_to_end_does_not_begin_after_a_trip(stepped, tmp_path):
    class Reluctant(SimulatedChip):
        async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
            try:
                await super().ramp_to(target_c, rate_c_per_s)
            finally:
                await self._clock.sleep(0.5)

    async def main(clock: SteppedClock) -> None:
        chip = Reluctant("chip", DriverContext(clock, 1, tmp_path))
        with guard_of(clock, tmp_path, chip) as guard:
            await guard.connect()
            first = asyncio.create_task(guard.ramp_to(450.0, 10.0))
            await clock.sleep(1.0)
            second = asyncio.create_task(guard.ramp_to(400.0, 10.0))
            await clock.sleep(0.1)
            await guard.trip("emergency stop")
            for call in (first, second):
                with pytest.raises(InterlockTripped):
                    await call
            ramps = [r["target_c"] for r in records(tmp_path) if r["what"] == "ramp"]
            assert ramps == [450.0]

    stepped(main)


def test_without_a_heartbeat_the_chip_is_cold_within_a_second_and_stays_so(stepped, tmp_path):
    async def main(clock: SteppedClock) -> None:
        with guard_of(clock, tmp_path) as guard:
            await guard.connect()
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(_raised(guard.watch()))
                guard.beat()
                await guard.ramp_to(450.0, 2000.0)
                guard.beat()
                last_beat = clock.now()
                assert "heartbeat" in str(await watch)
            assert (await guard._chip.read()).temperature_c < 60.0
            assert clock.now() - last_beat < 1.0
            with pytest.raises(InterlockTripped, match="new session"):
                await guard.ramp_to(100.0, 10.0)
            safe, cold = records(tmp_path)[-2:]
            assert (safe["what"], cold["what"]) == ("made_safe", "cold")
            assert cold["since_heartbeat_s"] < 1.0

    stepped(main)


def test_a_hot_chip_is_let_go_only_when_it_is_cold(stepped, tmp_path):
    async def main(clock: SteppedClock) -> None:
        with guard_of(clock, tmp_path) as guard:
            await guard.connect()
            await guard.ramp_to(450.0, 2000.0)
            await guard.close()
            assert guard._last.temperature_c < 60.0
            assert records(tmp_path)[-1]["what"] == "cold"

    stepped(main)


def test_watching_ends_whenever_it_is_cancelled(stepped, tmp_path):
    """Also just as a reading has come: a guard that watched on would never leave."""

    async def main(clock: SteppedClock) -> None:
        with guard_of(clock, tmp_path) as guard:
            await guard.connect()
            for steps in range(12):
                watch = asyncio.create_task(guard.watch())
                for _ in range(steps):
                    await asyncio.sleep(0)
                watch.cancel()
                for _ in range(12):
                    await asyncio.sleep(0)
                ended = watch.done()
                watch.cancel()
                await asyncio.wait([watch])
                assert ended, f"cancelled after {steps} turns of the loop"

    stepped(main)


def test_a_cold_chip_bears_a_late_controller_but_not_a_dead_one(stepped, tmp_path):
    async def main(clock: SteppedClock) -> None:
        with guard_of(clock, tmp_path) as guard:
            await guard.connect()
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(_raised(guard.watch()))
                await clock.sleep(5.0)
                assert guard.tripped is None
                assert "heartbeat" in str(await watch)
            assert clock.now() < 11.0

    stepped(main)


def test_beats_that_wait_while_the_guard_is_held_up_are_heard_first(stepped, tmp_path):
    async def main(clock: SteppedClock) -> None:
        with guard_of(clock, tmp_path) as guard:
            await guard.connect()
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(guard.watch())
                guard.beat()
                await guard.ramp_to(450.0, 2000.0)
                assert not guard._cold
                # The guard stands still for 2 s, then looks before it hears: the beat is 10 ms behind.
                guard._last_beat_s = clock.now() - 2.0
                await clock.sleep(0.06)
                guard.beat()
                await clock.sleep(0.3)
                assert guard.tripped is None
                watch.cancel()

    stepped(main)


@pytest.mark.parametrize(("how", "told"), [("fails", "no such port"), ("no number", "nan"), ("hangs", "heartbeat")])
def test_a_hot_chip_that_cannot_be_read_is_switched_off_and_followed_until_it_is_cold(stepped, tmp_path, how, told):
    async def main(clock: SteppedClock) -> None:
        chip = BrokenChip("chip", DriverContext(clock, 1, tmp_path), how=how)
        with guard_of(clock, tmp_path, chip) as guard:
            await guard.connect()
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(_raised(guard.watch()))
                guard.beat()
                await guard.ramp_to(450.0, 2000.0)
                await clock.sleep(0.2)
                guard.beat()
                chip.broken_at_s = broken_s = clock.now()
                while guard.tripped is None and clock.now() < broken_s + 5.0:
                    await clock.sleep(0.02)
                    if how != "hangs":
                        guard.beat()
                assert guard.tripped is not None
                assert clock.now() - broken_s < 0.8
                with pytest.raises(InterlockTripped):
                    await guard.read()
                assert told in str(await watch)
            safe, cold = (next(r for r in records(tmp_path) if r["what"] == w) for w in ("made_safe", "cold"))
            assert told in safe["reason"]
            assert cold["temperature_c"] < 60.0
            assert clock.now() - broken_s >= 3.0

    stepped(main)


def test_a_reading_beyond_the_limit_trips_the_guard(stepped, tmp_path):
    async def main(clock: SteppedClock) -> None:
        chip = RunawayChip("chip", DriverContext(clock, 1, tmp_path))
        with guard_of(clock, tmp_path, chip) as guard:
            await guard.connect()
            error = None
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(_raised(guard.watch()))
                while not guard.tripped:
                    guard.beat()
                    await clock.sleep(0.1)
                error = guard.tripped
                watch.cancel()
            assert "runaway" in error
            assert clock.now() < 4.0

    stepped(main)


async def _raised(call) -> Exception:
    try:
        await call
    except InterlockTripped as error:
        return error
    raise AssertionError("nothing was raised")
