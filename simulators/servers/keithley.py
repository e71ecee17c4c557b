"""A simulated Keithley 2450 on a real TCP socket, with a MEMS heater on its terminals.

It understands the SCPI that a heating chip needs, keeps a queue of errors, integrates, has ranges and an overflow, and
what it measures has the steps and noise of a 12-bit converter.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from drivers.clock import Clock
from drivers.interfaces import DriverContext
from simulators.servers.heater import Heater, HeaterFaults
from simulators.thermal_history import ThermalHistory

_TICK_S = 0.02
_MAINS_HZ = 50.0
_RANGES_V = (0.02, 0.2, 2.0, 20.0, 200.0)
_RANGES_A = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_OVERRANGE, _OVERFLOW = 1.05, 9.9e37
_NODES_LEFT_OUT = {"LEV", "IMM", "AMPL", "NEXT", "STAT", "DATA"}
_DEFAULTS = {
    "OUTP": "0",
    "OUTP:CURR:SMOD": "NORM",
    "ROUT:TERM": "FRON",
    "SOUR:FUNC": "VOLT",
    "SOUR:CURR": "0",
    "SOUR:CURR:RANG": "1e-8",
    "SOUR:CURR:RANG:AUTO": "1",
    "SOUR:CURR:VLIM": "21",
    "SOUR:CURR:DEL": "0.001",
    "SOUR:CURR:DEL:AUTO": "1",
    "SOUR:CURR:READ:BACK": "1",
    "SENS:FUNC": "CURR",
    **{
        f"SENS:{f}:{key}": value
        for f in ("VOLT", "CURR", "RES")
        for key, value in {"NPLC": "1", "RANG": "20", "RANG:AUTO": "1", "RSEN": "0"}.items()
    },
    "TRAC:POIN": "100000",
}
_BOUNDS = {
    "SOUR:CURR": (-1.05, 1.05),
    "SOUR:CURR:RANG": (-1.05, 1.05),
    "SOUR:CURR:VLIM": (0.02, 210.0),
    "SOUR:CURR:DEL": (0.0, 10000.0),
    "SENS:VOLT:NPLC": (0.01, 10.0),
    "SENS:CURR:NPLC": (0.01, 10.0),
    "SENS:RES:NPLC": (0.01, 10.0),
    "SENS:VOLT:RANG": (-210.0, 210.0),
    "SENS:CURR:RANG": (-1.05, 1.05),
    "SENS:RES:RANG": (0.0, 210e6),
    "TRAC:POIN": (1.0, 6875000.0),
}
_WORDS = {
    "SOUR:FUNC": ("CURR",),  # it sources no voltage
    "SENS:FUNC": ("VOLT", "CURR", "RES"),
    "ROUT:TERM": ("FRON", "REAR"),
    "OUTP:CURR:SMOD": ("NORM", "HIMP", "ZERO", "GUAR"),
}
_OUT_OF_RANGE, _NO_SUCH_TYPE = (-222, "Parameter data out of range"), (-104, "Data type error")
_DONE_AT_ONCE = {"ABOR", "SYST:BEEP", "STAT:PRES", "STAT:CLE", "TRAC:CLE", "SYST:CLE"}


class KeithleyServer:
    """Listens from the moment it is built, answers in `serve`.

    Parameters
    ----------
    port : 0 for any that is free
    bits : of its converters; a reading is rounded to a step of the range, and has half a step of noise
    lead_ohm : of both force leads together, which two-point measurements see
    heater : options of `Heater`
    """

    def __init__(
        self,
        name: str,
        context: DriverContext,
        host: str = "127.0.0.1",
        port: int = 0,
        bits: int = 12,
        lead_ohm: float = 20.0,
        **heater: float,
    ) -> None:
        self.name = name
        self._clock: Clock = context.clock
        self._rng = np.random.default_rng([context.seed, 12])
        self._bits = bits
        self._heater = Heater(ThermalHistory(context.folder), context.clock, lead_ohm=lead_ohm, **heater)
        self._settings = dict(_DEFAULTS)
        self._errors: deque[str] = deque()
        self._socket = socket.create_server((host, port))
        self._host, self.port = host, int(self._socket.getsockname()[1])
        self._writers: set[asyncio.StreamWriter] = set()
        self._talks: set[asyncio.Task[Any]] = set()
        self.line_is_cut = False
        self.silent = False
        """Connected and deaf: an instrument whose program hangs."""

    @property
    def told(self) -> str:
        """Where it listens, in words."""
        return f"Keithley 2450 at {self._host}, port {self.port} (TCPIP::{self._host}::{self.port}::SOCKET)"

    @property
    def faults(self) -> HeaterFaults:
        """To be switched on and off while it runs."""
        return self._heater.faults

    @property
    def true_c(self) -> float:
        """Of the heater, now."""
        self._heater.advance()
        return self._heater.temperature_c

    @property
    def output_is_on(self) -> bool:
        """By its own account."""
        return self._settings["OUTP"] == "1"

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Until cancelled."""
        server = await asyncio.start_server(self._talk, sock=self._socket)
        ready()
        try:
            while True:
                self._heater.advance()
                await self._clock.sleep(_TICK_S)
        finally:
            server.close()
            self._hang_up()
            if self._talks:
                await asyncio.wait(self._talks)

    def close(self) -> None:
        """Of one that was never served."""
        self._socket.close()

    def cut_line(self) -> None:
        """As when the cable is pulled: connections break, and no new one comes about; the heater stays as it is."""
        self.line_is_cut = True
        self._hang_up()

    def mend_line(self) -> None:
        self.line_is_cut = False

    def fill_error(self, code: int, words: str) -> None:
        """Put an error of the instrument's own into its queue."""
        self._errors.append(f'{code},"{words};2;2026/11/27 12:00:00.000"')

    def _hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None, "runs in one"
        self._writers.add(writer)
        self._talks.add(talk)
        try:
            while not self.line_is_cut and (line := await reader.readline()):
                if self.silent:
                    continue
                for command in _commands(line.decode("ascii", errors="replace")):
                    reply = await self._carried_out(command)
                    if reply is not None and not self.line_is_cut:
                        writer.write(reply.encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):  # a line without end, too
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._talks.discard(talk)

    async def _carried_out(self, command: str) -> str | None:
        header, _, rest = command.partition(" ")
        asks, key = header.endswith("?"), _short(header.rstrip("?"))
        rest = rest.strip().strip("'\"") if not asks else rest.strip()
        common: dict[str, Callable[[], str | None]] = {
            "*IDN?": lambda: "KEITHLEY INSTRUMENTS,MODEL 2450,SIMULATED,1.7.12b",
            "*LANG?": lambda: "SCPI",
            "*OPC?": lambda: "1",
            "*RST": self._reset,
            "*CLS": self._errors.clear,
            "SYST:ERR?": lambda: self._errors.popleft() if self._errors else '0,"No error;0;0 0"',
        }
        question = f"{key}?" if asks else key
        if question in common:
            return common[question]()
        if question == "READ?":
            return await self._read(rest)
        if key in self._settings:
            if asks:
                return self._told(key)
            self._set(key, rest)
            return None
        if asks or key not in _DONE_AT_ONCE:
            self.fill_error(-113, "Undefined header")
        return None

    def _reset(self) -> None:
        self._settings = dict(_DEFAULTS)
        self._drive()

    def _told(self, key: str) -> str:
        value = self._settings[key]
        return f"{float(value):.6E}" if key in _BOUNDS else value

    def _set(self, key: str, said: str) -> None:
        value, error = _understood(key, said)
        if key == "SOUR:CURR" and error is None and self._settings["SOUR:CURR:RANG:AUTO"] == "0":
            most_a = _OVERRANGE * float(self._settings["SOUR:CURR:RANG"])
            error = _OUT_OF_RANGE if abs(float(value)) > most_a else None
        if error is not None:
            self.fill_error(*error)
            return
        self._settings[key] = value
        if key.endswith(":RANG"):
            self._settings[f"{key}:AUTO"] = "0"
        self._drive()

    def _drive(self) -> None:
        """Hand what the source is set to on to the heater."""
        on = self.output_is_on and self._settings["SOUR:FUNC"] == "CURR"
        current_a = float(self._settings["SOUR:CURR"]) if on else 0.0
        self._heater.drive(current_a, float(self._settings["SOUR:CURR:VLIM"]))

    async def _read(self, elements: str) -> str:
        function = self._settings["SENS:FUNC"]
        await self._clock.sleep(float(self._settings[f"SENS:{function}:NPLC"]) / _MAINS_HZ)
        self._heater.advance()
        current_a = self._converted(self._heater.told_current_a, self._source_range_a())
        voltage_v = self._voltage_v()
        reading = {"VOLT": voltage_v, "CURR": current_a}.get(function)
        if reading is None:
            reading = voltage_v / current_a if abs(current_a) > 1e-9 and voltage_v < _OVERFLOW else _OVERFLOW
        source = current_a if self._settings["SOUR:CURR:READ:BACK"] == "1" else float(self._settings["SOUR:CURR"])
        told = {"READ": reading, "SOUR": source}
        names = [_short(name.strip().upper()) for name in elements.split(",")[1:]] or ["READ"]
        if unknown := [name for name in names if name not in told]:
            self.fill_error(-224, f"Illegal parameter value {unknown[0]}")
            names = ["READ"]
        return ",".join(f"{told[name]:.6E}" for name in names)

    def _voltage_v(self) -> float:
        function = self._settings["SENS:FUNC"]
        four = self._settings["SENS:RES:RSEN" if function == "RES" else "SENS:VOLT:RSEN"] == "1"
        voltage_v = self._heater.voltage_v(four_point=four)
        range_v = next((r for r in _RANGES_V if abs(voltage_v) <= _OVERRANGE * r), _RANGES_V[-1])
        if function == "VOLT" and self._settings["SENS:VOLT:RANG:AUTO"] == "0":
            least_v = abs(float(self._settings["SENS:VOLT:RANG"]))
            range_v = next(r for r in _RANGES_V if least_v <= _OVERRANGE * r)
        return self._converted(voltage_v, range_v) if abs(voltage_v) <= _OVERRANGE * range_v else _OVERFLOW

    def _source_range_a(self) -> float:
        automatic = self._settings["SOUR:CURR:RANG:AUTO"] == "1"
        least_a = abs(float(self._settings["SOUR:CURR" if automatic else "SOUR:CURR:RANG"]))
        return next(r for r in _RANGES_A if least_a <= _OVERRANGE * r)

    def _converted(self, value: float, full_scale: float) -> float:
        step = full_scale / float(1 << self._bits)
        return round(float(self._rng.normal(value, 0.5 * step)) / step) * step


def _understood(key: str, said: str) -> tuple[str, tuple[int, str] | None]:
    """A parameter as it is kept, or the error that it makes."""
    value = said.upper()
    if key in _BOUNDS:
        try:
            number = float(value)
        except ValueError:
            return "", _NO_SUCH_TYPE
        least, most = _BOUNDS[key]
        return repr(number), None if least <= number <= most else _OUT_OF_RANGE
    if key in _WORDS:
        word = _short(value)
        return word, None if word in _WORDS[key] else (-224, "Illegal parameter value")
    flags = {"ON": "1", "OFF": "0", "1": "1", "0": "0"}
    return flags.get(value, ""), None if value in flags else _NO_SUCH_TYPE


def _commands(line: str) -> list[str]:
    return [command.strip().lstrip(":") for command in line.split(";") if command.strip()]


def _short(header: str) -> str:
    """SCPI's short form: four letters of a node, three where the fourth is a vowel; what may be left out is."""
    nodes = []
    for node in header.upper().split(":"):
        word = re.sub(r"(?<=[A-Z])1$", "", node)
        if len(word) > 4 and not word.startswith("*"):
            word = word[:3] if word[3] in "AEIOU" else word[:4]
        nodes.append(word)
    return ":".join([nodes[0], *(node for node in nodes[1:] if node not in _NODES_LEFT_OUT)])
