"""What a particle has been through: heat and electrons, as they happened, not as they were planned."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from drivers.frames import HeatPulse


class Ledger:
    """Heat is shared by everything on the chip; electrons are counted per particle."""

    def __init__(self, note: Callable[[str, float], None] = lambda *_: None) -> None:
        """`note` : hears of each booking of electrons"""
        self.heat: tuple[HeatPulse, ...] = ()
        self.dose_e_per_nm2: dict[str, float] = {}
        self._note = note

    def book_heat(self, temperature_c: float, duration_s: float, std_s: float = 0.0) -> None:
        if duration_s > 0.0:
            self.heat += (HeatPulse(temperature_c, duration_s, std_s),)

    def seconds_at_c(self) -> dict[float, float]:
        """All the time at each temperature."""
        seconds: dict[float, float] = {}
        for pulse in self.heat:
            seconds[pulse.temperature_c] = round(seconds.get(pulse.temperature_c, 0.0) + pulse.duration_s, 3)
        return seconds

    def of(self, particles: Iterable[str]) -> dict[str, Any]:
        """By particle, in plain data: a particle has also had the heat of pulses taken for others."""
        heat = [{"temperature_c": t, "duration_s": s} for t, s in self.seconds_at_c().items()]
        return {p: {"dose_e_per_nm2": self.dose_e_per_nm2.get(p, 0.0), "heat": heat} for p in particles}

    def book_dose(self, particle: str, electrons_per_nm2: float) -> None:
        self.dose_e_per_nm2[particle] = self.dose_e_per_nm2.get(particle, 0.0) + electrons_per_nm2
        self._note(particle, electrons_per_nm2)
