"""The log that a heating holder's own program writes: when the chip was how hot, and the pulses in it.

Read by its columns' names: Protochips' CSV (milliseconds, its date in notes), Impulse's channels
(``temperatureMeasured``, ``timeStamp``), and this program's own ``chip.csv``.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.time_at_temperature import USUAL_Q_J_PER_MOL, time_at_temperature_s
from drivers.errors import ConfigError
from drivers.frames import HeatPulse
from drivers.interfaces import HeaterReading

HOT_C = 100.0
"""Above it a chip counts as heated; gold and silver do nothing there in days."""
_PLATEAU_C, _JUMP_C = 5.0, 50.0
_COLUMNS = "a column of times and one of temperatures, by names that say so"


@dataclass(frozen=True, eq=False)
class HeaterLog:
    """Temperatures in order of time."""

    time_s: NDArray[np.float64]
    temperature_c: NDArray[np.float64]
    began: datetime | None
    """When `time_s` was 0, in the heater's local time; None where the log does not tell."""

    def at(self, time_s: float) -> datetime:
        """In the heater's local time; raises `ValueError` where the log does not tell when it began."""
        if self.began is None:
            raise ValueError("the log does not tell when it began")
        return self.began + timedelta(seconds=time_s)


@dataclass(frozen=True)
class LoggedPulse:
    """A stay above 100 C, with its ramp as the time at its plateau that it was worth."""

    began_s: float
    ended_s: float
    """On the log's own times."""
    heat: HeatPulse


def read_heater_log(path: Path) -> HeaterLog:
    """Read a log, also one that is still being written: an incomplete last line is left out.

    Raises
    ------
    ConfigError
        For no such file, or one that is no log.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read ({error.strerror}); check the path"]) from error
    whole = text[: text.rfind("\n") + 1]
    rows = list(csv.reader(io.StringIO(whole), delimiter=_delimiter(whole), skipinitialspace=True))
    if not rows:
        raise ConfigError(str(path), [f"is empty; a heater's log has {_COLUMNS}"])
    names = [_plain(name) for name in rows[0]]
    times, temperatures = _column(names, _TIMES), _column(names, _TEMPERATURES)
    if times is None or temperatures is None:
        raise ConfigError(str(path), [f"has the columns {', '.join(rows[0])}; a heater's log has {_COLUMNS}"])
    notes = " ".join(cell for row in rows[1:40] for cell in row)
    stamps = _column(names, ("timestamp",))
    values = _numbers(rows[1:], times, temperatures)
    if len(values) < 2:
        raise ConfigError(str(path), ["holds fewer than two readings of a temperature; is it still empty?"])
    milliseconds = "milliseconds" in notes.lower() or names[times].endswith("ms")
    time_s = values[:, 0] * (1e-3 if milliseconds else 1.0)
    order = np.argsort(time_s, kind="stable")
    began = _date_in(notes) if stamps is None else _by_stamp(rows[1:], stamps, times)
    return HeaterLog(time_s[order], values[order, 1], began)


def pulses_of(log: HeaterLog, q_j_per_mol: float = USUAL_Q_J_PER_MOL) -> list[LoggedPulse]:
    """Every stay above 100 C that is over, in order."""
    hot = log.temperature_c > HOT_C
    edges = np.flatnonzero(np.diff(hot.astype(np.int8)))
    found = []
    for first in edges[~hot[edges]]:
        later = edges[(edges > first) & hot[edges]]
        if not len(later):
            break  # it is still hot
        last = int(later[0]) + 1
        stay = slice(int(first), last + 1)
        peak_c = float(log.temperature_c[stay].max())
        near = log.temperature_c[stay] > peak_c - _PLATEAU_C
        plateau_c = round(float(np.median(log.temperature_c[stay][near])), 1)
        readings = _with_steps(log.time_s[stay], log.temperature_c[stay])
        worth_s = round(time_at_temperature_s(readings, plateau_c, q_j_per_mol), 3)
        # Either end lies anywhere between two readings.
        std_s = float(np.hypot(*np.diff(log.time_s)[[first, last - 1]]) / np.sqrt(12.0))
        pulse = HeatPulse(plateau_c, worth_s, round(std_s, 3))
        found.append(LoggedPulse(float(log.time_s[first]), float(log.time_s[last]), pulse))
    return found


def _with_steps(time_s: NDArray[np.float64], temperature_c: NDArray[np.float64]) -> list[HeaterReading]:
    """A jump lies, as far as one can know, in the middle between two readings: a line would lose half of it."""
    found = [HeaterReading(float(time_s[0]), float(temperature_c[0]), float(temperature_c[0]))]
    for at_s, read_c in zip(time_s[1:].tolist(), temperature_c[1:].tolist(), strict=True):
        before = found[-1]
        if abs(read_c - before.temperature_c) > _JUMP_C:
            middle_s = 0.5 * (before.time_s + at_s)
            found += [replace(before, time_s=middle_s), HeaterReading(middle_s, read_c, read_c)]
        found.append(HeaterReading(at_s, read_c, read_c))
    return found


_TIMES = ("experimentduration", "experimenttime", "times", "time", "timems", "elapsedtime", "seconds", "duration")
_TEMPERATURES = ("temperaturemeasured", "measuredtemperature", "temperaturec", "channelatemperature", "temperature")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", re.sub(r"[\[(].*?[\])]", "", name.lower()))


def _column(names: list[str], wanted: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _numbers(rows: list[list[str]], times: int, temperatures: int) -> NDArray[np.float64]:
    """(reading, 2) of those lines that have both."""
    found = []
    for row in rows:
        try:
            found.append((float(row[times].replace(",", ".")), float(row[temperatures].replace(",", "."))))
        except (IndexError, ValueError):
            continue
    values = np.array(found, np.float64).reshape(-1, 2)
    return values[np.isfinite(values).all(axis=1)]


def _date_in(notes: str) -> datetime | None:
    """Protochips': ``Date (yyyy.mm.dd) = 2014.12.03``, ``Time (hh:mm:ss.ms) = 17:15:37.192``."""
    date = re.search(r"Date[^=]*=\s*(\d{4})\.(\d{1,2})\.(\d{1,2})", notes)
    time = re.search(r"Time \([^=]*=\s*(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d+))?", notes)
    if date is None or time is None:
        return None
    year, month, day = map(int, date.groups())
    hour, minute, second = map(int, time.groups()[:3])
    try:
        return datetime(year, month, day, hour, minute, second) + timedelta(seconds=float(f"0.{time[4] or 0}"))
    except ValueError:
        return None


def _by_stamp(rows: list[list[str]], stamps: int, times: int) -> datetime | None:
    """By the first line that has both; a stamp with a zone is brought to local time."""
    for row in rows:
        try:
            stamp = datetime.fromisoformat(row[stamps].strip())
            seconds = timedelta(seconds=float(row[times]))
        except (IndexError, ValueError):
            continue
        return (stamp.astimezone().replace(tzinfo=None) if stamp.tzinfo else stamp) - seconds
    return None
