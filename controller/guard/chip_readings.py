"""``chip.csv``: the readings of the chip, as the guard saw it, for old eyes and spreadsheets."""

from __future__ import annotations

from pathlib import Path

from controller.guard.interlocks import COLD_C
from drivers.interfaces import HeaterReading

_QUIET_S = 1.0


class ChipReadings:
    """Appends readings to a file, each at once: by them a pulse is booked whose controller died.

    While the chip is cold one a second is enough, and the last one before it is not.
    """

    def __init__(self, path: Path) -> None:
        fresh = not path.exists()
        self._file = path.open("a", buffering=1)
        self._written_s = -_QUIET_S
        self._was_cold = False
        self._passed_over: HeaterReading | None = None
        if fresh:
            self._file.write("time_s,setpoint_c,temperature_c,temperature_std_c,resistance_ohm,power_mw\n")

    def add(self, reading: HeaterReading) -> None:
        cold = reading.temperature_c < COLD_C
        if cold and self._was_cold and 0.0 <= reading.time_s - self._written_s < _QUIET_S:
            self._passed_over = reading
            return
        if not cold and self._passed_over is not None:
            self._write(self._passed_over)
        self._passed_over, self._was_cold = None, cold
        self._write(reading)

    def _write(self, r: HeaterReading) -> None:
        untold = (_cell(r.temperature_std_c, 3), _cell(r.resistance_ohm, 4), _cell(r.power_mw, 3))
        self._file.write(f"{r.time_s:.3f},{r.setpoint_c:.2f},{r.temperature_c:.3f},{','.join(untold)}\n")
        self._written_s = r.time_s

    def close(self) -> None:
        self._file.close()


def _cell(value: float | None, digits: int) -> str:
    """Empty for what is not told."""
    return "" if value is None else f"{value:.{digits}f}"
