"""What a heating chip's driver must do. The chip is heated to no more than the bench's `warm_c`."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

from drivers.abilities import chip_abilities
from drivers.conformance.check import Bench, Check, cancelled_midway, must
from drivers.errors import AlloyscopeError, DeviceTimeout
from drivers.interfaces import HeaterReading, HeatingChip

_RATE_C_PER_S = 200.0
_COLD_C, _COLD_LIMIT_S = 60.0, 6.0
_OFF_C = 5.0
_POWER_MW = (0.05, 500.0)
"""Of a membrane that is warm, whatever its make; watts taken for milliwatts lie outside."""
_LATE_S = 2.0

ChipBench = Bench[HeatingChip]


async def _cold(bench: ChipBench, chip: HeatingChip, after: str) -> HeaterReading:
    """The reading by which it is seen to be cold and without power."""
    began_s = bench.clock.now()
    while True:
        reading = await bench.call("give a reading", chip.read(), 5.0)
        if reading.temperature_c < _COLD_C and (reading.power_mw is None or reading.power_mw < 1.0):
            return reading
        seen = f"{reading.temperature_c:.0f} C at {reading.power_mw} mW"
        must(bench.clock.now() - began_s < _COLD_LIMIT_S, f"{after}, {_COLD_LIMIT_S:g} s later the chip reads {seen}")
        await bench.clock.sleep(0.05)


async def _twice(bench: ChipBench, chip: HeatingChip) -> None:
    for _ in range(2):
        await bench.call("connect", chip.connect())
        await bench.call("give a reading", chip.read())
        await bench.call("close", chip.close())
    await bench.call("close once more", chip.close())


async def _units(bench: ChipBench, chip: HeatingChip) -> None:
    cold = await bench.call("give a reading", chip.read())
    must(-50.0 < cold.temperature_c < _COLD_C, f"at rest it reads {cold.temperature_c:g}; C are asked, not kelvin")
    await bench.call("ramp", chip.ramp_to(bench.warm_c, _RATE_C_PER_S))
    await bench.clock.sleep(2.0 * chip_abilities(chip).period_s + 0.1)
    warm = await bench.call("give a reading", chip.read())
    must(
        abs(warm.temperature_c - bench.warm_c) < _OFF_C,
        f"{bench.warm_c:g} C was reached, it reads {warm.temperature_c:g}",
    )
    must(
        abs(warm.setpoint_c - bench.warm_c) < _OFF_C,
        f"{bench.warm_c:g} C was asked, its set point reads {warm.setpoint_c:g}",
    )
    power = warm.power_mw
    must(power is None or _POWER_MW[0] < power < _POWER_MW[1], f"warm, it takes {power} mW: are these milliwatts?")
    ohm = warm.resistance_ohm
    must(ohm is None or 1.0 < ohm < 1e5, f"warm, its resistance reads {ohm} ohm")


async def _rate(bench: ChipBench, chip: HeatingChip) -> None:
    rise_c = bench.warm_c - (await bench.call("give a reading", chip.read())).temperature_c
    slow = rise_c / 3.0
    began_s = bench.clock.now()
    await bench.call("ramp", chip.ramp_to(bench.warm_c, slow))
    took_s = bench.clock.now() - began_s
    must(2.5 < took_s < 6.0, f"a ramp of {slow:.0f} C/s over {rise_c:.0f} C took {took_s:.1f} s, 3 are asked")


async def _stamps(bench: ChipBench, chip: HeatingChip) -> None:
    period_s = chip_abilities(chip).period_s
    readings = []
    for _ in range(8):
        readings.append(await bench.call("give a reading", chip.read()))
        late_s = bench.clock.now() - readings[-1].time_s
        must(-0.05 <= late_s < _LATE_S + period_s, f"a reading is stamped {late_s:.2f} s ago by the session's clock")
        await bench.clock.sleep(0.05 + period_s)
    times = [r.time_s for r in readings]
    must(times == sorted(times), f"stamps run backwards: {times}")
    must(len(set(times)) > len(times) // 2, f"readings 0.05 s and a period apart are the same ones: {times}")


async def _quench(bench: ChipBench, chip: HeatingChip) -> None:
    await bench.call("ramp", chip.ramp_to(bench.warm_c, _RATE_C_PER_S))
    await bench.call("quench", chip.quench(), 2.0)
    await _cold(bench, chip, "quenched")
    await bench.call("ramp once more", chip.ramp_to(0.7 * bench.warm_c, _RATE_C_PER_S))


async def _limits(bench: ChipBench, chip: HeatingChip) -> None:
    most_c = bench.context.limits.max_c
    for asked_c, rate in ((most_c + 100.0, 100.0), (math.nan, 100.0), (bench.warm_c, 0.0), (bench.warm_c, -5.0)):
        refused = False
        try:
            await bench.call("ramp", chip.ramp_to(asked_c, rate), 1.0)
        except DeviceTimeout:
            pass
        except AlloyscopeError:
            refused = True
        finally:
            await bench.call("make safe", chip.make_safe())
        must(
            refused, f"{asked_c:g} C at {rate:g} C/s was asked, beyond {most_c:g} C or no ramp at all, and not refused"
        )
        cold = await bench.call("give a reading", chip.read())
        must(cold.temperature_c < _COLD_C, f"{asked_c:g} C was refused, and the chip is at {cold.temperature_c:.0f} C")


async def _safe_whenever(bench: ChipBench, chip: HeatingChip) -> None:
    await bench.call("make safe", chip.make_safe())
    await _cold(bench, chip, "made safe at rest")
    await bench.call("ramp", chip.ramp_to(bench.warm_c, _RATE_C_PER_S))
    await bench.call("make safe", chip.make_safe(), 3.0)
    await _cold(bench, chip, "made safe while it was held")
    await bench.call("make safe again", chip.make_safe(), 3.0)
    ramp = asyncio.create_task(chip.ramp_to(bench.warm_c, 50.0), name="a slow ramp")
    await bench.clock.sleep(1.0)
    await bench.call("make safe while it ramps", chip.make_safe(), 3.0)
    ramp.cancel()
    await asyncio.wait([ramp])
    await _cold(bench, chip, "made safe while it ramped")


async def _safe_unconnected(bench: ChipBench, chip: HeatingChip) -> None:
    """A deputy may have to switch off what it never connected: it may fail in words, it may not hang."""
    with suppress(AlloyscopeError):
        await bench.call("make safe", chip.make_safe(), 5.0)
    await bench.call("connect", chip.connect())
    await bench.call("close", chip.close())
    with suppress(AlloyscopeError):
        await bench.call("make safe once closed", chip.make_safe(), 5.0)
    await bench.call("close", chip.close())


async def _cancelled(bench: ChipBench, chip: HeatingChip) -> None:
    await cancelled_midway(bench, chip.ramp_to(bench.warm_c, 50.0), 1.0)
    await bench.call("quench", chip.quench(), 2.0)
    await _cold(bench, chip, "a ramp was cancelled, then it was quenched")
    await cancelled_midway(bench, chip.read(), 0.0)
    await bench.call("give a reading after one was cancelled", chip.read())
    await cancelled_midway(bench, chip.quench(), 0.0)
    await bench.call("ramp", chip.ramp_to(bench.warm_c, _RATE_C_PER_S))


async def _left_hot(bench: ChipBench, chip: HeatingChip) -> None:
    """Closing is the last that is heard of a chip."""
    await bench.call("connect", chip.connect())
    await bench.call("ramp", chip.ramp_to(bench.warm_c, _RATE_C_PER_S))
    await bench.call("close", chip.close())
    again = bench.make(bench.context)
    await bench.call("connect", again.connect())
    try:
        await _cold(bench, again, "closed while it was hot")
    finally:
        await bench.call("close", again.close())


CHIP_CHECKS: tuple[Check[HeatingChip], ...] = (
    Check("connects and closes twice, and closes when it is closed", _twice, fresh=True),
    Check("may be made safe before it is connected and after it is closed", _safe_unconnected, fresh=True),
    Check("speaks of C, mW and ohm", _units),
    Check("ramps as fast as it is asked", _rate),
    Check("stamps readings by the session's clock, none twice and none before another", _stamps),
    Check("quenches at once, stays readable, and heats again", _quench),
    Check("refuses what is beyond its limits, and what is no number", _limits),
    Check("is made safe from any state", _safe_whenever),
    Check("lets go of a call that is cancelled", _cancelled),
    Check("is cold when it has been closed", _left_hot, fresh=True),
)
"""In order of how much they ask."""
