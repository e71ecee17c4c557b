"""A four-point MEMS heater on a Keithley 2450 source meter, its temperature held by a closed loop of our own.

Force HI and LO go to the heater's current leads, sense HI and LO to its voltage leads. The instrument knows no
temperature: each period the loop gives it a current, reads current and voltage back, and has the temperature from their
ratio by the chip's calibration. One task owns the line; whoever calls says what is wanted and waits for what it saw.

An instrument with its output off measures nothing, so a quenched chip carries a current too small to heat, and the
output goes off in `close`. If this process dies the instrument goes on with its last current until somebody switches it
off: connecting does that first.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum

from drivers.abilities import ChipAbilities
from drivers.calibration import ResistanceCalibration
from drivers.errors import DeviceError, DeviceTimeout
from drivers.four_point import FourPoint, Wiring, WiringFault
from drivers.interfaces import DriverContext, HeaterReading
from drivers.source_meter import SourceMeter, SourceSettings
from drivers.temperature_loop import HeatBalance, SetPointRamp, TemperatureLoop

_PERIOD_S, _IDLE_S = 0.004, 0.02
"""Between two measurements, at least: of a heated chip, and of one that is not."""
_AVERAGE_S = 0.04
_BELIEVED = 3
"""In a row, that say that something is wrong: a contact may crackle."""
_ERRORS_S = 0.5
"""Between two questions for the instrument's own errors."""
_AGAIN_S = 0.1
_SWITCH_S, _COOLING_S = 1.8, 1.0
_COLD_C = 60.0
_REACHED_C, _PATIENCE = 0.5, 10.0
"""A set point is reached so close to it; in so many time constants at a bound, or it cannot be."""
_MARGIN = 0.95
"""Of power limit and compliance, that the loop uses."""
_JUMP_C, _JUMP_PART, _JUMP_S = 20.0, 0.5, 0.05
"""Beside what the heat balance says, between two readings: more is no heat but a contact."""
_DARK_V = 0.05
_LEAST_HEAT_MW = 0.5


class _Wanted(Enum):
    OFF = "its output off"
    SENSING = "a current too small to heat"
    HEATED = "the closed loop"


class HeaterFault(DeviceError):
    """What is wrong with heater, wiring or instrument, until the chip is made safe or quenched."""

    def __init__(self, device: str, message: str, *, safe: bool) -> None:
        super().__init__(device, message)
        self.safe = safe
        """Whether the heating power is known to be away all the same."""


class KeithleyChip:
    """Implements `HeatingChip`.

    Parameters
    ----------
    host, port : of the instrument's raw socket; its command set must be SCPI
    calibration : what the chip's sheet says, a `ResistanceCalibration`
    compliance_v : the source never goes beyond; leave room for the force leads
    max_current_ma : the loop never goes beyond; chooses the source's range, which is fixed
    sense_current_ma : of a chip that is not heated, to read it
    nplc : integration time of a reading, in periods of the mains
    watt_per_c, thermal_s : what the heater loses per degree, and its time constant without power; to a third
    closed_s : time constant of the closed loop
    ambient_c : of the holder
    terminals : "front" or "rear"
    """

    def __init__(
        self,
        name: str,
        context: DriverContext,
        host: str,
        calibration: Mapping[str, float],
        port: int = 5025,
        compliance_v: float = 6.0,
        max_current_ma: float = 10.5,
        sense_current_ma: float = 0.5,
        nplc: float = 0.1,
        watt_per_c: float = 5.9e-5,
        thermal_s: float = 0.1,
        closed_s: float = 0.04,
        ambient_c: float = 25.0,
        terminals: str = "front",
    ) -> None:
        self.name = name
        self._clock, self._limits, self._log = context.clock, context.limits, context.log
        self._sheet = ResistanceCalibration(**calibration)
        self._wiring = Wiring.of(self._sheet, ambient_c, self._limits.max_c, compliance_v)
        self._sense_a, self._most_a = 1e-3 * sense_current_ma, 1e-3 * max_current_ma
        self._most_v = _MARGIN * compliance_v
        self._balance = HeatBalance(watt_per_c, thermal_s, ambient_c)
        _check(self._sense_a, self._most_a, self._wiring, nplc, terminals)
        settings = SourceSettings(
            host, port, compliance_v, self._most_a, nplc, "FRON" if terminals == "front" else "REAR"
        )
        self._meter = SourceMeter(name, self._clock, settings)
        self._period_s = max(_PERIOD_S, settings.integration_s + 1e-3)
        self.abilities = ChipAbilities(period_s=self._period_s)
        self._loop = TemperatureLoop(self._balance, max(closed_s, 4.0 * self._period_s))
        self._task: asyncio.Task[None] | None = None
        self._turned = asyncio.Event()
        """Of the period under way; each has its own."""
        self._wanted, self._asked_for, self._seen_for = _Wanted.SENSING, 0, -1
        """What is wanted, how often that has changed, and for which of these a sound measurement was seen."""
        self._ramp = SetPointRamp(ambient_c, ambient_c, 1.0, 0.0)
        self._fault: DeviceError | None = None
        self._doubts = 0
        self._seen: deque[tuple[FourPoint, float]] = deque()
        """The newest measurements, and their temperatures."""
        self._errors_at_s = 0.0
        self._bound_since_s: float | None = None

    @property
    def simulated(self) -> bool:
        """By the instrument's own word, once it is connected."""
        return "SIMULATED" in self._meter.identity.upper()

    async def connect(self) -> None:
        """Heating power that another process has left on is taken away."""
        await self._stop()
        try:
            await self._start()
            self._raise_fault()
        except BaseException:
            await self._stop()
            raise

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        """Cancelled, the set point stays where it is.

        Raises
        ------
        DeviceError
            A fault, or a temperature that current, power or surroundings do not allow.
        """
        self._limits.check_target(self.name, target_c, rate_c_per_s)
        self._raise_fault()
        now = self._clock.now()
        heated = self._wanted is _Wanted.HEATED
        from_c = self._ramp.at(now) if heated else self._newest()[1]
        ramp = self._ramp = SetPointRamp(from_c, target_c, rate_c_per_s, now)
        if not heated:
            self._loop.reset()
            self._want(_Wanted.HEATED)
        try:
            while not self._reached(ramp):
                await self._turned.wait()
                self._raise_fault()
                if self._ramp is not ramp or self._wanted is not _Wanted.HEATED:
                    raise DeviceError(self.name, f"something else was asked before {target_c:g} C was reached")
        except asyncio.CancelledError:
            if self._ramp is ramp:
                self._ramp = ramp.held(self._clock.now())
            raise

    async def quench(self) -> None:
        await self.make_safe()

    async def make_safe(self) -> None:
        """No heating power, seen in what the instrument reads back; a lost line is built anew first.

        Raises
        ------
        DeviceError
            When the power may still be on.
        """
        if self._task is None:
            await self._start()
        else:
            await self._switched(_Wanted.SENSING, _SWITCH_S)

    async def read(self) -> HeaterReading:
        """The mean of the last 40 ms, so that noise counts less; power and set point are the newest."""
        self._raise_fault()
        newest, _ = self._newest()
        count = len(self._seen)
        time_s = math.fsum(seen.time_s for seen, _ in self._seen) / count
        ohm = math.fsum(seen.resistance_ohm for seen, _ in self._seen) / count
        return HeaterReading(
            time_s=time_s,
            temperature_c=math.fsum(temperature_c for _, temperature_c in self._seen) / count,
            setpoint_c=self._ramp.at(time_s) if self._wanted is _Wanted.HEATED else self._balance.ambient_c,
            resistance_ohm=ohm,
            power_mw=1e3 * newest.power_w,
            temperature_std_c=self._sheet.temperature_std_c(ohm),
            period_s=self._period_s if self._wanted is _Wanted.HEATED else max(_IDLE_S, self._period_s),
        )

    async def close(self) -> None:
        """The output off, once the heater is cold.

        Raises
        ------
        DeviceError
            When there is a voltage across the heater all the same, or the instrument cannot be reached.
        """
        if self._task is None:
            return
        try:
            await self._switched(_Wanted.SENSING, _COOLING_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._clock.patience(_COOLING_S)):
                    while self._fault is None and self._newest()[1] > _COLD_C:
                        await self._turned.wait()
            await self._switched(_Wanted.OFF, _COOLING_S)
        finally:
            await self._stop()

    async def _start(self) -> None:
        self._seen.clear()
        await self._meter.open()
        self._task = asyncio.create_task(self._go_on(), name=f"{self.name}'s closed loop")
        await self._switched(_Wanted.SENSING, _SWITCH_S)

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self._meter.is_open:
            with suppress(DeviceError):  # whoever closes has heard of it
                await self._meter.off()
        await self._meter.close()

    def _want(self, wanted: _Wanted) -> None:
        self._wanted, self._doubts, self._bound_since_s = wanted, 0, None
        self._asked_for += 1

    async def _switched(self, wanted: _Wanted, limit_s: float) -> None:
        """Until a measurement begun afterwards shows it, or shows a fault of another kind with the power away."""
        self._fault = None
        self._want(wanted)
        try:
            async with asyncio.timeout(self._clock.patience(limit_s)):
                while self._seen_for != self._asked_for and self._fault is None:
                    await self._turned.wait()
        except TimeoutError:
            words = f"asked for {wanted.value}, it has shown none within {limit_s:g} s; check the instrument"
            raise DeviceTimeout(self.name, words) from None
        if self._fault is not None and not getattr(self._fault, "safe", False):
            raise self._fault

    async def _go_on(self) -> None:
        """The closed loop, for as long as the chip is connected."""
        while True:
            began_s, pause_s = self._clock.now(), 0.0
            try:
                if not self._meter.is_open:
                    await self._meter.open()
                await self._turn()
                pause_s = self._period_s if self._wanted is _Wanted.HEATED else _IDLE_S
            except Exception as error:  # noqa: BLE001  # a loop that ended would leave the heater as it is
                if isinstance(error, HeaterFault):
                    self._fail(error)
                else:  # open makes safe before anything else
                    await self._meter.close()
                    self._fail(error if isinstance(error, DeviceError) else DeviceError(self.name, repr(error)))
                pause_s = _AGAIN_S if not self._meter.is_open else _IDLE_S
            turned, self._turned = self._turned, asyncio.Event()
            turned.set()
            await self._clock.sleep(max(0.0, began_s + pause_s - self._clock.now()))

    def _fail(self, fault: DeviceError) -> None:
        """Keep the first fault, and take the power away."""
        if self._fault is None:
            self._log.warning("%s", fault)
            self._fault = fault
        if self._wanted is _Wanted.HEATED:
            self._want(_Wanted.SENSING)

    async def _turn(self) -> None:
        """One period: a current, a measurement, a judgement."""
        asked_for = self._asked_for
        if self._wanted is _Wanted.OFF:
            await self._off("was switched off")
        else:
            seen = await self._meter.source(self._current_a())
            await self._judge(seen, self._wiring.fault(seen) or self._jump(seen))
            if self._clock.now() - self._errors_at_s > _ERRORS_S:
                self._errors_at_s = self._clock.now()
                await self._meter.raise_errors()
        if self._doubts == 0:
            self._seen_for = asked_for

    async def _off(self, why: str) -> None:
        left = await self._meter.off()
        if not abs(left.voltage_v) < _DARK_V:
            found = f"its output {why}, and there are still {left.voltage_v:.3g} V across the heater"
            raise HeaterFault(self.name, f"still powered: {found}; is a relay stuck? Unplug the chip", safe=False)

    async def _judge(self, seen: FourPoint, wrong: WiringFault | None) -> None:
        if wrong is None:
            self._doubts = 0
            self._seen.append((seen, self._sheet.temperature_c(seen.resistance_ohm)))
            while len(self._seen) > 1 and self._seen[0][0].time_s < seen.time_s - _AVERAGE_S:
                self._seen.popleft()
            return
        self._doubts += 1
        if self._doubts < _BELIEVED:
            return
        if wrong.powered and self._wanted is not _Wanted.HEATED:
            await self._off(f"was switched off ({wrong.words})")
        raise HeaterFault(self.name, wrong.words, safe=seen.asked_a <= self._sense_a)

    def _jump(self, seen: FourPoint) -> WiringFault | None:
        """A resistance that changes faster than heat can: a sense lead that is off, and follows its force lead."""
        if not self._seen:
            return None
        before, before_c = self._seen[-1]
        span_s, now_c = seen.time_s - before.time_s, self._sheet.temperature_c(seen.resistance_ohm)
        expected_c = self._balance.rise_c(before_c, seen.power_w, span_s)
        if span_s > _JUMP_S or abs(now_c - before_c - expected_c) < _JUMP_C + _JUMP_PART * abs(expected_c):
            return None
        change = f"{seen.resistance_ohm - before.resistance_ohm:+.3g} ohm ({now_c - before_c:+.0f} C)"
        return WiringFault(f"sense lead off, or a bad contact: {change} within {1e3 * span_s:.0f} ms is not heat")

    def _current_a(self) -> float:
        """What to give from now on."""
        if self._wanted is not _Wanted.HEATED or not self._seen:
            return self._sense_a
        seen, temperature_c = self._seen[-1]
        ohm, now = seen.resistance_ohm, self._clock.now()
        most_w = min(_MARGIN * 1e-3 * self._limits.max_power_mw, self._most_a**2 * ohm, self._most_v**2 / ohm)
        bounds_w = (self._sense_a**2 * ohm, most_w)
        measured = (seen.time_s, temperature_c)
        power_w = self._loop.power_w(self._ramp, measured, now, self._span_s(), bounds_w)
        if self._loop.saturated == 0:
            self._bound_since_s = None
        elif self._bound_since_s is None:
            self._bound_since_s = now
        return math.sqrt(power_w / ohm)

    def _span_s(self) -> float:
        """Until the next current: about as long as the last ones took."""
        if len(self._seen) < 2:
            return self._period_s
        span_s = (self._seen[-1][0].time_s - self._seen[0][0].time_s) / (len(self._seen) - 1)
        return min(max(span_s, self._period_s), _AVERAGE_S)

    def _reached(self, ramp: SetPointRamp) -> bool:
        now = self._clock.now()
        newest, temperature_c = self._newest()
        if not ramp.over(newest.time_s):
            return False
        mean_c = math.fsum(each_c for _, each_c in self._seen) / len(self._seen)
        at_bound_s = 0.0 if self._bound_since_s is None else now - max(self._bound_since_s, ramp.began_s)
        if at_bound_s > max(1.0, _PATIENCE * self._balance.time_s) and abs(mean_c - ramp.target_c) > _REACHED_C:
            found = f"{mean_c:.1f} C at {1e3 * newest.power_w:.3g} mW and {1e3 * newest.current_a:.3g} mA"
            bound = "highest that max_current_ma, compliance_v and chip.limits.max_power_mw allow"
            bound = bound if self._loop.saturated > 0 else "lowest: it does not cool further"
            raise DeviceError(self.name, f"{ramp.target_c:g} C cannot be reached; {found} is the {bound}")
        return abs(mean_c - ramp.target_c) <= _REACHED_C and abs(temperature_c - mean_c) < 10.0 * _REACHED_C

    def _newest(self) -> tuple[FourPoint, float]:
        if not self._seen:
            raise DeviceError(self.name, "asked for a reading before there was one; connect the chip first")
        return self._seen[-1]

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault


def _check(sense_a: float, most_a: float, wiring: Wiring, nplc: float, terminals: str) -> None:
    """Raises `ValueError` for options that make no sense together."""
    if not 0.0 < sense_a < most_a <= 1.05:
        raise ValueError(
            f"sense_current_ma = {1e3 * sense_a:g} and max_current_ma = {1e3 * most_a:g}: "
            "write the first above 0 and below the second, that up to 1050"
        )
    heat_mw = 1e3 * sense_a**2 * wiring.most_ohm
    if heat_mw > _LEAST_HEAT_MW:
        raise ValueError(
            f"sense_current_ma = {1e3 * sense_a:g} would heat with up to {heat_mw:.2g} mW; "
            f"lower it until that is below {_LEAST_HEAT_MW:g} mW"
        )
    if not sense_a * wiring.most_ohm < wiring.compliance_v <= 210.0:
        raise ValueError(f"compliance_v = {wiring.compliance_v:g}: write what the heater needs, up to 210")
    if not 0.01 <= nplc <= 10.0:
        raise ValueError(f"nplc = {nplc:g}: write 0.01 to 10")
    if terminals not in ("front", "rear"):
        raise ValueError(f'terminals = {terminals!r}: write "front" or "rear"')
