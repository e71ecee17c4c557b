"""A four-point MEMS heater on a Keithley 2450 source meter, its temperature held by a closed loop of our own.

Force HI and LO go to the heater's current leads, sense HI and LO to its voltage leads. The instrument knows no
temperature: each period the loop gives it a current, reads current and voltage back, and has the temperature from their
ratio by the chip's calibration.

An instrument with its output off measures nothing, so a quenched chip carries a current too small to heat, and the
output goes off in `close`. If this process dies the instrument goes on with its last current until somebody switches it
off: connecting does that first.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress

from drivers.abilities import ChipAbilities
from drivers.calibration import ResistanceCalibration
from drivers.errors import DeviceError
from drivers.four_point import Wiring
from drivers.heater_loop import IDLE_S, HeaterLoop, HeaterMode, HeaterState
from drivers.interfaces import DriverContext, HeaterReading
from drivers.source_meter import SourceMeter, SourceSettings
from drivers.temperature_loop import HeatBalance, SetPointRamp

_PERIOD_S, _OVERHEAD_S = 0.004, 0.001
_SWITCH_S, _CLOSING_S = 1.7, 0.8
_COLD_C = 60.0
_REACHED_C, _SURE = 0.5, 3
"""A set point is reached so close to it, by so many measurements."""
_PATIENCE_S, _PATIENCE = 1.0, 10.0
"""After so long at a bound, or so many time constants, it cannot be."""
_MARGIN = 0.95
"""Of power limit and compliance, that the loop uses."""
_LEAST_HEAT_MW = 0.5


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
    watt_per_c, thermal_s : what the heater loses per degree, and its time constant without power; to a fifth
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
        self._clock, self._limits = context.clock, context.limits
        self._sheet = ResistanceCalibration(**calibration)
        self._balance = HeatBalance(watt_per_c, thermal_s, ambient_c)
        wiring = Wiring.of(self._sheet, ambient_c, self._limits.max_c, compliance_v)
        sense_a, most_a = 1e-3 * sense_current_ma, 1e-3 * max_current_ma
        _check(sense_a, most_a, wiring, nplc, terminals)
        if not min(watt_per_c, thermal_s, closed_s) > 0.0:
            raise ValueError("watt_per_c, thermal_s and closed_s: write values above 0")
        if not (isinstance(host, str) and host and 1 <= port <= 65535):
            raise ValueError(
                f"host = {host!r}, port = {port!r}: write the instrument's address, and a port up to 65535"
            )
        settings = SourceSettings(host, int(port), compliance_v, most_a, nplc, terminals[:4].upper())
        self._period_s = max(_PERIOD_S, settings.integration_s + _OVERHEAD_S)
        self.abilities = ChipAbilities(period_s=self._period_s)
        self._loop = HeaterLoop(
            SourceMeter(name, self._clock, settings),
            self._clock,
            context.log,
            self._sheet,
            wiring,
            self._balance,
            sense_a=sense_a,
            bounds=(most_a, _MARGIN * compliance_v, _MARGIN * 1e-3 * self._limits.max_power_mw),
            period_s=self._period_s,
            closed_s=max(closed_s, 4.0 * self._period_s),
        )

    @property
    def simulated(self) -> bool:
        """By the instrument's own word, once it is connected."""
        return "SIMULATED" in self._loop.meter.identity.upper()

    async def connect(self) -> None:
        """Heating power that another process has left on is taken away."""
        await self._loop.stop()
        try:
            await self._loop.start(_SWITCH_S)
            self._raise_fault()
        except BaseException:
            await self._loop.stop()
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
        ramp = self._loop.heat(target_c, rate_c_per_s)
        try:
            while not self._reached(ramp):
                await self._loop.turn()
                self._raise_fault()
                if self._loop.ramp is not ramp or self._loop.wanted is not HeaterMode.HEATED:
                    raise DeviceError(self.name, f"something else was asked before {target_c:g} C was reached")
        except asyncio.CancelledError:
            if self._loop.ramp is ramp:
                self._loop.hold()
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
        if self._loop.running:
            await self._loop.switched(HeaterMode.SENSING, _SWITCH_S)
        else:
            await self._loop.start(_SWITCH_S)

    async def read(self) -> HeaterReading:
        """The mean of the last 40 ms where nothing moves, so that noise counts less; else the newest."""
        self._raise_fault()
        steady = self._loop.steady()
        time_s = math.fsum(state.seen.time_s for state in steady) / len(steady)
        ohm = _mean_ohm(steady)
        return HeaterReading(
            time_s=time_s,
            temperature_c=self._sheet.temperature_c(ohm),
            setpoint_c=steady[-1].setpoint_c,
            resistance_ohm=ohm,
            power_mw=1e3 * steady[-1].seen.power_w,
            temperature_std_c=self._sheet.temperature_std_c(ohm),
            period_s=self._period_s if self._loop.fast else max(IDLE_S, self._period_s),
        )

    async def close(self) -> None:
        """The output off, once the heater is cold.

        Raises
        ------
        DeviceError
            When there is a voltage across the heater all the same, or the instrument cannot be reached.
        """
        if not self._loop.running:
            return
        try:
            await self._loop.switched(HeaterMode.SENSING, _CLOSING_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._clock.patience(_CLOSING_S)):
                    while self._loop.fault is None and self._loop.newest().temperature_c > _COLD_C:
                        await self._loop.turn()
            await self._loop.switched(HeaterMode.OFF, _CLOSING_S)
        finally:
            await self._loop.stop()

    def _reached(self, ramp: SetPointRamp) -> bool:
        steady = self._loop.steady()
        newest = steady[-1].seen
        if steady[-1].setpoint_c != ramp.target_c or len(steady) < _SURE:
            return False
        mean_c = self._sheet.temperature_c(_mean_ohm(steady))
        at_bound_s = self._loop.at_bound_s()
        if abs(mean_c - ramp.target_c) <= _REACHED_C:
            return True
        if abs(at_bound_s) > max(_PATIENCE_S, _PATIENCE * self._balance.time_s):
            found = f"{mean_c:.1f} C at {1e3 * newest.power_w:.3g} mW and {1e3 * newest.current_a:.3g} mA"
            bound = "the most that max_current_ma, compliance_v and chip.limits.max_power_mw allow"
            bound = bound if at_bound_s > 0.0 else "as cold as the holder lets it be"
            raise DeviceError(self.name, f"{ramp.target_c:g} C cannot be reached: {found} is {bound}")
        return False

    def _raise_fault(self) -> None:
        if self._loop.fault is not None:
            raise self._loop.fault


def _mean_ohm(states: Sequence[HeaterState]) -> float:
    return math.fsum(state.seen.resistance_ohm for state in states) / len(states)


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
