"""Each way in which a chip goes wrong without a single reading beyond a limit trips the guard, which says why."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from controller.guard.chip_readings import ChipReadings
from controller.guard.guard import Guard
from drivers.clock import SteppedClock
from drivers.errors import InterlockTripped
from drivers.interfaces import DriverContext, HeaterReading
from drivers.limits import ChipLimits
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal, read_guard_journal
from drivers.recorded.records import AwayBorne, Cold, MadeSafe, MakeSafeFailed, RampAsked
from simulators.chip import SimulatedChip

HELD_C = 450.0


class FaultyChip(SimulatedChip):
    """Sound until `fault_s`."""

    fault_s = float("inf")

    async def read(self) -> HeaterReading:
        reading = await super().read()
        return self.faulty(reading) if self._clock.now() >= self.fault_s and self._powered else reading

    def faulty(self, reading: HeaterReading) -> HeaterReading:
        return reading


class Frozen(FaultyChip):
    def faulty(self, reading: HeaterReading) -> HeaterReading:
        return replace(reading, time_s=self.fault_s)


class StuckSensorOnADeadHeater(FaultyChip):
    def faulty(self, reading: HeaterReading) -> HeaterReading:
        return replace(reading, temperature_c=HELD_C, power_mw=0.0)


class Drifts(FaultyChip):
    def faulty(self, reading: HeaterReading) -> HeaterReading:
        return replace(reading, temperature_c=HELD_C + 10.0 * (reading.time_s - self.fault_s))


class ReadsTooMuch(FaultyChip):
    def faulty(self, reading: HeaterReading) -> HeaterReading:
        return replace(reading, temperature_c=reading.temperature_c + 30.0)


class SetElsewhere(FaultyChip):
    def faulty(self, reading: HeaterReading) -> HeaterReading:
        return replace(reading, setpoint_c=520.0, temperature_c=460.0)


def guard_of(
    clock: SteppedClock, folder: Path, chip: SimulatedChip, **tolerances: float | str
) -> tuple[Guard, Journal, ChipReadings]:
    journal, readings = Journal(SessionFolder(folder).guard_journal, clock), ChipReadings(folder / "chip.csv")
    limits = ChipLimits(max_c=600.0, **tolerances)
    return Guard(chip, limits, journal, readings, clock, period_s=0.05, heartbeat_limit_s=0.5), journal, readings


async def tripped_by(clock: SteppedClock, guard: Guard, do, limit_s: float) -> str:
    """What trips the guard while its controller lives, within so long after `do`."""

    async def beat() -> None:
        while True:
            guard.beat()
            await clock.sleep(0.1)

    async def watched() -> str:
        try:
            await guard.watch()
        except InterlockTripped as error:
            return str(error)
        raise AssertionError("watching ended")

    await guard.connect()
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beat())
        watching = tasks.create_task(watched())
        await do()
        began_s = clock.now()
        while not watching.done() and clock.now() < began_s + limit_s:
            await clock.sleep(0.05)
        told = watching.result() if watching.done() else ""
        watching.cancel()
        beating.cancel()
    return told


@pytest.mark.parametrize(
    ("kind", "words", "tolerances"),
    [
        (Frozen, "frozen", {}),
        (StuckSensorOnADeadHeater, "without heating power", {}),
        (Drifts, "was asked", {}),
        (SetElsewhere, "somebody changed it", {}),
        (FaultyChip, "", {}),
        (Frozen, "", {"stale_s": 20.0}),
        (Drifts, "", {"away_c": 120.0}),
        (SetElsewhere, "", {"away_s": 20.0}),
    ],
)
def test_a_held_chip_that_goes_wrong_is_made_safe_and_a_sound_one_is_left_alone(
    stepped, tmp_path, kind, words, tolerances
):
    async def main(clock: SteppedClock) -> None:
        chip = kind("chip", DriverContext(clock, 1, tmp_path))
        guard, journal, readings = guard_of(clock, tmp_path, chip, **tolerances)

        async def hold() -> None:
            await guard.ramp_to(HELD_C, 1000.0)
            await clock.sleep(1.0)
            chip.fault_s = clock.now()

        told = await tripped_by(clock, guard, hold, 8.0)
        assert words in told
        assert bool(told) == bool(words)
        journal.close()
        readings.close()
        kinds = [type(entry.record) for entry in read_guard_journal(tmp_path)]
        assert (MadeSafe in kinds) == bool(words)
        assert (Cold in kinds) == bool(words)

    stepped(main)


def away(stepped, folder, kind, when_away: str, watched_s: float):
    """Hold a chip, let it go wrong; what trips the guard, its records, and its readings in s and C."""

    async def main(clock: SteppedClock):
        chip = kind("chip", DriverContext(clock, 1, folder))
        guard, journal, readings = guard_of(clock, folder, chip, when_away=when_away, ramp_down_c_per_s=20.0)

        async def hold() -> None:
            await guard.ramp_to(HELD_C, 1000.0)
            await clock.sleep(1.0)
            chip.fault_s = clock.now()
            if when_away == "ramp down":
                await clock.sleep(3.0)
                with pytest.raises(InterlockTripped, match="ramped down"):
                    await guard.ramp_to(HELD_C, 1000.0)

        told = await tripped_by(clock, guard, hold, watched_s)
        journal.close()
        readings.close()
        rows = (folder / "chip.csv").read_text().splitlines()[1:]
        seen = [(float(t), float(c)) for t, _, c, *_ in (row.split(",") for row in rows)]
        return told, [entry.record for entry in read_guard_journal(folder)], seen, chip.fault_s

    return stepped(main)


def test_a_chip_that_is_not_held_may_be_ramped_down_without_haste(stepped, tmp_path):
    told, records, seen, fault_s = away(stepped, tmp_path, ReadsTooMuch, "ramp down", 60.0)
    assert "450.0 C was asked; it was ramped down at 20 C/s; the chip was made safe" in told
    assert [type(r) for r in records] == [RampAsked, RampAsked, MadeSafe, Cold]
    down = [(t, c) for t, c in seen if t > fault_s + 1.5 and c > 100.0]
    assert down[-1][0] - down[0][0] == pytest.approx((down[0][1] - down[-1][1]) / 20.0, rel=0.05)
    assert seen[-1][1] < 60.0


class RefusesToComeDown(ReadsTooMuch):
    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        if target_c < HELD_C:
            raise OSError("no such port")
        await super().ramp_to(target_c, rate_c_per_s)


def test_one_that_cannot_be_ramped_down_is_switched_off_and_said_so(stepped, tmp_path):
    async def main(clock: SteppedClock) -> None:
        chip = RefusesToComeDown("chip", DriverContext(clock, 1, tmp_path))
        guard, journal, readings = guard_of(clock, tmp_path, chip, when_away="ramp down")

        async def hold() -> None:
            await guard.ramp_to(HELD_C, 1000.0)
            chip.fault_s = clock.now()

        told = await tripped_by(clock, guard, hold, 10.0)
        assert "it was to be ramped down, which failed (chip: asked to ramp down, it said: no such port)" in told
        assert (await chip.read()).temperature_c < 60.0
        journal.close()
        readings.close()

    stepped(main)


@pytest.mark.parametrize("when_away", ["ramp down", "hold"])
def test_after_an_emergency_stop_nothing_is_powered_again(stepped, tmp_path, when_away):
    class CoolsSlowly(SimulatedChip):
        """Tells no power, and its readings lag."""

        stopped_s = float("inf")

        async def make_safe(self) -> None:
            self.stopped_s = min(self.stopped_s, self._clock.now())
            await super().make_safe()

        async def read(self) -> HeaterReading:
            reading = await super().read()
            lag = max(0.0, 1.0 - (reading.time_s - self.stopped_s) / 4.0) if reading.time_s > self.stopped_s else 1.0
            shown_c = reading.temperature_c if lag == 1.0 else 25.0 + (HELD_C - 25.0) * lag
            return replace(reading, temperature_c=shown_c, power_mw=None)

    async def main(clock: SteppedClock) -> None:
        chip = CoolsSlowly("chip", DriverContext(clock, 1, tmp_path))
        guard, journal, readings = guard_of(clock, tmp_path, chip, when_away=when_away)

        async def stop() -> None:
            await guard.ramp_to(HELD_C, 1000.0)
            await clock.sleep(1.0)
            await guard.trip("emergency stop")

        await tripped_by(clock, guard, stop, 10.0)
        journal.close()
        readings.close()
        kinds = [type(entry.record) for entry in read_guard_journal(tmp_path)]
        assert kinds.count(RampAsked) == 1
        assert AwayBorne not in kinds

    stepped(main)


def test_a_ramp_down_that_is_faster_than_allowed_is_refused():
    with pytest.raises(ValueError, match="ramp_down_c_per_s is 20, above max_ramp_c_per_s = 10"):
        ChipLimits(max_ramp_c_per_s=10.0, when_away="ramp down")
    assert ChipLimits(max_ramp_c_per_s=10.0).when_away == "quench"


def test_a_chip_that_is_not_held_may_go_on_but_never_beyond_its_limit(stepped, tmp_path):
    for kind, words in ((ReadsTooMuch, ""), (Drifts, "runaway")):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        told, records, _, _ = away(stepped, folder, kind, "hold", 20.0)
        assert words in told
        assert bool(told) == bool(words)
        assert [type(r) for r in records].count(AwayBorne) == 1


@pytest.mark.parametrize(("asked", "truly", "trips"), [(5.0, 250.0, True), (1000.0, 1000.0, False), (5.0, 5.0, False)])
def test_a_ramp_much_faster_than_asked_trips_the_guard(stepped, tmp_path, asked, truly, trips):
    class Hasty(SimulatedChip):
        async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
            await super().ramp_to(target_c, truly)

    async def main(clock: SteppedClock) -> None:
        guard, journal, readings = guard_of(clock, tmp_path, Hasty("chip", DriverContext(clock, 1, tmp_path)))

        async def ramp() -> None:
            try:
                await guard.ramp_to(300.0, asked)
            except InterlockTripped:
                assert trips

        told = await tripped_by(clock, guard, ramp, 3.0)
        assert ("C/s were asked" in told) == trips
        journal.close()
        readings.close()

    stepped(main)


def test_a_quench_that_does_nothing_trips_the_guard(stepped, tmp_path):
    class Deaf(SimulatedChip):
        deaf = True

        async def quench(self) -> None:
            if not self.deaf:
                await super().quench()

        async def make_safe(self) -> None:
            self.deaf = False
            await super().make_safe()

    async def main(clock: SteppedClock) -> None:
        guard, journal, readings = guard_of(clock, tmp_path, Deaf("chip", DriverContext(clock, 1, tmp_path)))

        async def pulse() -> None:
            await guard.ramp_to(HELD_C, 1000.0)
            await guard.quench()

        assert "still reads 4" in await tripped_by(clock, guard, pulse, 10.0)
        journal.close()
        readings.close()

    stepped(main)


def test_one_failed_reading_is_borne(stepped, tmp_path):
    class Stumbles(SimulatedChip):
        reads = 0

        async def read(self) -> HeaterReading:
            self.reads += 1
            if self.reads % 20 == 0:
                raise OSError("the bus stumbled")
            return await super().read()

    async def main(clock: SteppedClock) -> None:
        guard, journal, readings = guard_of(clock, tmp_path, Stumbles("chip", DriverContext(clock, 1, tmp_path)))
        chip = guard._chip

        async def hold() -> None:
            # The driver's own loop reads, too: its ramp must not be what stumbles.
            chip.reads = -40
            await guard.ramp_to(100.0, 1000.0)

        assert await tripped_by(clock, guard, hold, 5.0) == ""
        journal.close()
        readings.close()

    stepped(main)


def test_making_safe_is_tried_until_a_fresh_reading_shows_it(stepped, tmp_path):
    """Refused for 2.5 s, then possible: a good reading in between is no proof, and the journal says so only then."""

    class Refuses(SimulatedChip):
        refuses_until_s = float("inf")

        async def make_safe(self) -> None:
            if self._clock.now() < self.refuses_until_s:
                raise OSError("the source meter is busy")
            await super().make_safe()

    async def main(clock: SteppedClock) -> None:
        chip = Refuses("chip", DriverContext(clock, 1, tmp_path))
        guard, journal, readings = guard_of(clock, tmp_path, chip)
        await guard.connect()
        await guard.ramp_to(HELD_C, 1000.0)
        began_s = clock.now()
        chip.refuses_until_s = began_s + 2.5
        await guard.emergency_stop()
        journal.close()
        readings.close()
        entries = list(read_guard_journal(tmp_path))
        assert sum(isinstance(e.record, MakeSafeFailed) for e in entries) >= 4
        (safe,) = [e for e in entries if isinstance(e.record, MadeSafe)]
        assert 2.5 <= safe.time_s - began_s < 3.2
        assert isinstance(entries[-1].record, Cold)

    stepped(main)


def test_a_full_disk_is_no_sign_that_the_chip_cannot_be_read(stepped, tmp_path, monkeypatch):
    async def main(clock: SteppedClock) -> None:
        guard, journal, readings = guard_of(clock, tmp_path, SimulatedChip("chip", DriverContext(clock, 1, tmp_path)))

        def full(_: HeaterReading) -> None:
            raise OSError(28, "No space left on device")

        async def hold() -> None:
            await guard.ramp_to(HELD_C, 1000.0)
            monkeypatch.setattr(readings, "add", full)

        assert await tripped_by(clock, guard, hold, 2.0) == ""
        journal.close()
        readings.close()

    stepped(main)
