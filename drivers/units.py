"""Units and constants. Celsius at the chip, kelvin inside physics."""

from __future__ import annotations

GAS_CONSTANT_J_PER_MOL_K = 8.314462618
"""CODATA 2018, exact."""

ELECTRONS_PER_PA_S = 6.241509074e6
"""Electrons per second in one picoampere: 1e-12 over the elementary charge (CODATA 2018, exact)."""


def kelvin(temperature_c: float) -> float:
    """Absolute temperature of a temperature in Celsius."""
    return temperature_c + 273.15


def electrons_per_nm2(current_pa: float, dwell_s: float, pixel_nm: float) -> float:
    """Electron dose of one scan."""
    return current_pa * ELECTRONS_PER_PA_S * dwell_s / pixel_nm**2


def clock_time(seconds: float) -> str:
    """Hours, minutes and seconds, ``h:mm:ss``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def counted(number: int, noun: str) -> str:
    """So many of something, in words: ``1 state``, ``2 states``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
