"""The heat that a particle has had, joined by time: a heater's log, its clock beside the microscope's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from analysis.files.heater_log import HOT_C, HeaterLog, LoggedPulse, pulses_of, read_heater_log
from drivers.errors import ConfigError
from drivers.frames import HeatPulse

_AHEAD = "give --log-ahead-s, the heater's clock minus the microscope's"


@dataclass
class LoggedHeating:
    """Reads the log again whenever it is asked.

    Parameters
    ----------
    path : of the log; None where heat is told by a person alone
    began : when the log's times were 0, for one that does not tell
    ahead_s : the heater's clock against the microscope's: positive where it is ahead
    tell : hears of what a person should know
    """

    path: Path | None
    began: datetime | None
    ahead_s: float
    tell: Callable[[str], None]
    told: tuple[tuple[datetime, HeatPulse], ...] = ()
    """By a person: when it was over, and what it was."""

    def before(self, began: datetime, ended: datetime | None) -> tuple[HeatPulse, ...] | None:
        """All pulses that were over when a tilt series began, in order; None where the log does not reach there yet.

        Parameters
        ----------
        began, ended : the series, by the microscope's clock; no end where only its files' times are known

        Raises
        ------
        ConfigError
            Where a pulse lies within the series: then the clocks differ.
        """
        log = self._log()
        found = [(at, heat) for at, heat in self.told if at <= began]
        if log is not None:
            if self._here(log, float(log.time_s[-1])) < began:
                return None
            self._refuse_hot(log, began)
            for pulse in pulses_of(log):
                over = self._here(log, pulse.ended_s)
                if over <= began:
                    found.append((over, pulse.heat))
                else:
                    self._refuse_within(log, pulse, began, ended)
        return tuple(heat for _, heat in sorted(found, key=lambda f: f[0]))

    def newest(self) -> tuple[datetime, float] | None:
        """Time, by the microscope's clock, and temperature that the log ends with."""
        try:
            log = self._log()
        except ConfigError:
            return None
        return None if log is None else (self._here(log, float(log.time_s[-1])), float(log.temperature_c[-1]))

    def _log(self) -> HeaterLog | None:
        return None if self.path is None else read_heater_log(self.path)

    def _here(self, log: HeaterLog, time_s: float) -> datetime:
        began = self.began or log.began
        if began is None:
            words = "does not tell when it began; give --log-began 2026-11-27T14:02:11, by the heater's clock"
            raise ConfigError(str(self.path), [words])
        return began + timedelta(seconds=time_s - self.ahead_s)

    def _refuse_hot(self, log: HeaterLog, began: datetime) -> None:
        """A series is taken of a cold chip."""
        on_log_s = log.time_s[0] + (began - self._here(log, float(log.time_s[0]))).total_seconds()
        found_c = float(np.interp(on_log_s, log.time_s, log.temperature_c))
        if found_c > HOT_C:
            words = f"says {found_c:.0f} C at {began:%H:%M:%S}, when a tilt series began: the clocks differ"
            raise ConfigError(str(self.path), [f"{words}; {_AHEAD}"])

    def _refuse_within(self, log: HeaterLog, pulse: LoggedPulse, began: datetime, ended: datetime | None) -> None:
        pulse_began = self._here(log, pulse.began_s)
        if ended is not None and pulse_began < ended:
            within = f"a pulse of {pulse.heat.temperature_c:g} C at {pulse_began:%H:%M:%S} lies within a tilt series"
            series = f"of {began:%H:%M:%S} to {ended:%H:%M:%S}"
            raise ConfigError(str(self.path), [f"{within} {series}: the clocks differ; {_AHEAD}"])
