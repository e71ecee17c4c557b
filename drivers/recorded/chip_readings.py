"""The chip's readings of a session, as its guard wrote them."""

from __future__ import annotations

import csv

from drivers.interfaces import HeaterReading
from drivers.recorded.folder import SessionFolder


def readings_of_chip(folder: SessionFolder) -> list[HeaterReading]:
    """Of ``chip.csv``, in order of their times; a torn line is none."""
    found = []
    if folder.chip_readings.is_file():
        with folder.chip_readings.open(newline="") as file:
            for row in csv.DictReader(file):
                try:
                    time_s, setpoint_c, temperature_c = (
                        float(row[name]) for name in ("time_s", "setpoint_c", "temperature_c")
                    )
                    ohm, mw = (float(row[name]) if row[name] else None for name in ("resistance_ohm", "power_mw"))
                except (TypeError, ValueError):
                    continue
                found.append(HeaterReading(time_s, temperature_c, setpoint_c, ohm, mw))
    return sorted(found, key=lambda r: r.time_s)
