"""``chip.csv``: every reading of the chip, as the guard saw it, for old eyes and spreadsheets."""

from __future__ import annotations

from pathlib import Path

from drivers.interfaces import HeaterReading


class ChipReadings:
    """Appends readings to a file, each at once: by them a pulse is booked whose controller died."""

    def __init__(self, path: Path) -> None:
        fresh = not path.exists()
        self._file = path.open("a", buffering=1)
        if fresh:
            self._file.write("time_s,setpoint_c,temperature_c,temperature_std_c,resistance_ohm,power_mw\n")

    def add(self, reading: HeaterReading) -> None:
        r = reading
        std = "" if r.temperature_std_c is None else f"{r.temperature_std_c:.3f}"
        temperature = f"{r.setpoint_c:.2f},{r.temperature_c:.3f},{std}"
        self._file.write(f"{r.time_s:.3f},{temperature},{r.resistance_ohm:.4f},{r.power_mw:.3f}\n")

    def close(self) -> None:
        self._file.close()
