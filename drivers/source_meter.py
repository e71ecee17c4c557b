"""A Keithley 2450 on its raw TCP socket, as a current source that measures voltage on four leads.

The instrument's own SCPI commands (Model 2450 Reference Manual, 2450-901-01), not its SCPI 2400 set.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass

from drivers.clock import Clock
from drivers.errors import DeviceError
from drivers.four_point import FourPoint

_REPLY_S, _OPEN_S = 0.5, 1.2
_MAINS_HZ = 50.0
_OVERFLOW = 9e36
_RANGES_A = (1e-3, 1e-2, 1e-1, 1.0)
_READ = ':READ? "defbuffer1", SOUR, READ'
_MODELS = ("MODEL 2450", "MODEL 2460", "MODEL 2461", "MODEL 2470")


class LineLost(DeviceError):
    """The instrument cannot be reached, or does not answer."""


class InstrumentFault(DeviceError):
    """The instrument says itself that something is wrong."""


@dataclass(frozen=True)
class SourceSettings:
    host: str
    port: int
    compliance_v: float
    max_current_a: float
    nplc: float
    """Integration time in periods of the mains."""
    terminals: str

    @property
    def integration_s(self) -> float:
        return self.nplc / _MAINS_HZ


class SourceMeter:
    """One connection; a caller that was cancelled inside a call has to close it."""

    def __init__(self, name: str, clock: Clock, settings: SourceSettings) -> None:
        self.name, self._clock, self._settings = name, clock, settings
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.is_on = False
        """As far as is known; false makes `source` switch the output on."""
        self.identity = ""

    @property
    def is_open(self) -> bool:
        return self._streams is not None

    async def open(self) -> None:
        """Connect and reset: whatever the instrument did before, its output is off; then set it up.

        Raises
        ------
        LineLost, InstrumentFault
            Also for an instrument that is not the one it should be.
        """
        await self.close()
        s = self._settings
        try:
            async with asyncio.timeout(_OPEN_S):
                self._streams = await asyncio.open_connection(s.host, s.port)
                # Off before anything else is asked.
                self.identity = await self._asked("*RST;*CLS;*IDN?")
                language = await self._asked("*LANG?")
        except TimeoutError:
            await self.close()
            raise self._lost(f"no answer within {_OPEN_S:g} s") from None
        except OSError as error:
            await self.close()
            raise self._lost(str(error) or type(error).__name__) from error
        if not any(model in self.identity for model in _MODELS):
            await self.close()
            raise InstrumentFault(self.name, f"at {s.host}:{s.port} is {self.identity!r}, no Keithley 2450; check host")
        if language != "SCPI":
            await self.close()
            raise InstrumentFault(
                self.name, f"the command set of the instrument is {language}; choose SCPI in its menu (Settings)"
            )
        self.is_on = False
        self._write(
            f':ROUT:TERM {s.terminals};:SENS:FUNC "VOLT";:SENS:VOLT:RSEN ON;:SENS:VOLT:RANG:AUTO ON;'
            f":SENS:VOLT:NPLC {s.nplc:g};:SOUR:FUNC CURR;:SOUR:CURR:RANG {self._range_a():g};"
            f":SOUR:CURR:VLIM {s.compliance_v:g};:SOUR:CURR:READ:BACK ON;:SOUR:CURR:DEL 0"
        )
        await self.raise_errors()

    async def source(self, current_a: float) -> FourPoint:
        """Give a current, and measure."""
        switch = "" if self.is_on else ";:OUTP ON"
        reply = await self.ask(f":SOUR:CURR {current_a:.6e}{switch};{_READ}")
        self.is_on = True
        return self._measured(reply, current_a)

    async def off(self) -> FourPoint:
        """Switch the output off, and measure what there still is."""
        self.is_on = False
        if (found := await self.ask(":OUTP OFF;:OUTP?")) not in ("0", "OFF"):
            raise InstrumentFault(self.name, f"its output was switched off and says {found!r}; unplug the chip")
        return self._measured(await self.ask(_READ), 0.0)

    async def raise_errors(self) -> None:
        """What has gone wrong by the instrument's own account."""
        said = await self.ask(":SYST:ERR?")
        code, _, words = said.partition(",")
        if code.strip().lstrip("+") != "0":
            told = words.strip().strip('"')
            raise InstrumentFault(self.name, f"the instrument reports error {code}: {told}")

    async def ask(self, line: str) -> str:
        """One line, and the reply to its query; raises `LineLost`."""
        try:
            async with asyncio.timeout(self._clock.patience(_REPLY_S) + self._settings.integration_s):
                return await self._asked(line)
        except TimeoutError:
            raise self._lost(f"no answer within {_REPLY_S:g} s") from None
        except OSError as error:
            raise self._lost(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(OSError):
                await streams[1].wait_closed()

    async def _asked(self, line: str) -> str:
        self._write(line)
        assert self._streams is not None, "written to"
        reply = await self._streams[0].readline()
        if not reply.endswith(b"\n"):
            raise ConnectionResetError("the instrument has closed the connection")
        return reply.decode("ascii", errors="replace").strip()

    def _write(self, line: str) -> None:
        if self._streams is None:
            raise ConnectionResetError("not connected")
        self._streams[1].write(line.encode() + b"\n")

    def _measured(self, reply: str, asked_a: float) -> FourPoint:
        try:
            current_a, voltage_v = (_finite(float(number)) for number in reply.split(","))
        except ValueError:
            raise InstrumentFault(self.name, f"asked for a current and a voltage, it said {reply!r}") from None
        middle_s = self._clock.now() - 0.5 * self._settings.integration_s
        return FourPoint(middle_s, asked_a, current_a, voltage_v)

    def _range_a(self) -> float:
        """Fixed, so that no change of range disturbs the loop; each reaches 5 % further than its name."""
        return next(r for r in _RANGES_A if self._settings.max_current_a <= 1.05 * r)

    def _lost(self, why: str) -> LineLost:
        s = self._settings
        return LineLost(
            self.name, f"the line to the source meter at {s.host}:{s.port} is lost ({why}); check cable and instrument"
        )


def _finite(value: float) -> float:
    return value if abs(value) < _OVERFLOW else math.nan
