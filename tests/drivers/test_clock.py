import asyncio
import time

import pytest

from drivers.clock import ScaledClock, SteppedClock, within
from drivers.errors import DeviceTimeout


def test_every_periodic_task_ticks_as_often_as_it_would(stepped):
    async def main(clock: SteppedClock) -> tuple[int, int]:
        ticks = {"fast": 0, "slow": 0}

        async def tick(name: str, period_s: float, count: int) -> None:
            for _ in range(count):
                await clock.sleep(period_s)
                ticks[name] += 1

        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tick("fast", 0.1, 1200))
            tasks.create_task(tick("slow", 60.0, 2))
        assert clock.now() == pytest.approx(120.0)
        assert time.monotonic() - began < 20.0
        return ticks["fast"], ticks["slow"]

    assert stepped(main) == (1200, 2)


def test_work_in_flight_holds_the_stepped_clock(stepped):
    async def main(clock: SteppedClock) -> float:
        async def sleeper() -> None:
            await clock.sleep(1000.0)

        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(sleeper())
            with clock.working():
                await asyncio.to_thread(time.sleep, 0.05)
                at = clock.now()
            task.cancel()
        return at

    assert stepped(main) == 0.0


def test_sleepers_wake_in_order_and_at_their_time(stepped):
    async def main(clock: SteppedClock) -> list[tuple[str, float]]:
        woken: list[tuple[str, float]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append((name, clock.now()))

        async with asyncio.TaskGroup() as tasks:
            for name, seconds in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
                tasks.create_task(sleeper(name, seconds))
        return woken

    assert stepped(main) == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


def test_a_device_that_never_answers_is_named_with_what_was_asked(stepped):
    async def main(clock: SteppedClock) -> str:
        with pytest.raises(DeviceTimeout) as caught:
            await within(clock, 12.0, "stage", "move to 70 deg", asyncio.Event().wait())
        assert clock.now() == pytest.approx(12.0)
        return str(caught.value)

    message = stepped(main)
    assert all(part in message for part in ("stage", "move to 70 deg", "12 s"))


def test_a_scaled_clock_keeps_two_processes_on_one_time():
    first = ScaledClock(50.0)
    second = ScaledClock(50.0, first.epoch)
    assert second.now() == pytest.approx(first.now(), abs=0.5)
