"""What an instrument can do, declared by its driver: held against the plan by `check`, before beam time.

A driver has an attribute ``abilities``; one without is taken to be able to do everything, which is true of the twin.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChipAbilities:
    max_c: float | None = None
    """Highest temperature that the instrument itself accepts; None when it does not say."""
    max_ramp_c_per_s: float | None = None
    period_s: float = 0.0
    """Between two of its readings; 0 where it measures when it is asked."""
    pulses: bool = False
    """Has ``pulse(target_c, rate_c_per_s, duration_s)``: the instrument itself ends a pulse, whoever has died."""


@dataclass(frozen=True)
class MicroscopeAbilities:
    sweeps: bool = True
    """Tilts while it scans, and tells the tilt of each frame."""
    interrupts: bool = True
    """Hears a call while a frame is scanned; where not, an emergency stop blanks the beam when the frame is over."""
    blanks: bool = True
    defocuses: bool = True
    shapes: tuple[tuple[int, int], ...] = ()
    """Pixels (y, x) that an image can have; empty where any can be had."""
    pixel_nm: tuple[float, float] | None = None
    """Least and most; None where any can be had."""


def chip_abilities(chip: object) -> ChipAbilities:
    """Of a driver, also one that declares none."""
    declared = getattr(chip, "abilities", None)
    return declared if isinstance(declared, ChipAbilities) else ChipAbilities(pulses=hasattr(chip, "pulse"))


def microscope_abilities(microscope: object) -> MicroscopeAbilities:
    """Of a driver, also one that declares none."""
    declared = getattr(microscope, "abilities", None)
    return declared if isinstance(declared, MicroscopeAbilities) else MicroscopeAbilities()
