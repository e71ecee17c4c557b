"""What a heat pulse was worth: its ramp and overshoot counted as time at the temperature asked for.

A second at another temperature counts by the ratio of the diffusion coefficients, ``exp(-Q/R (1/T - 1/T0))``. For a
ramp of 1000 C/s that is some 0.02 s, which hardly depends on Q; for one of 2 C/s it is 10 s, and its error is Q's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from drivers.interfaces import HeaterReading
from drivers.units import GAS_CONSTANT_J_PER_MOL_K, kelvin

USUAL_Q_J_PER_MOL = 208e3
"""Chen et al., Part. Part. Syst. Charact. 2023, silver and gold in nanorods."""
_COLD_C, _QUIET_S = 60.0, 1.5
"""While a chip is cold, one reading a second is kept."""
_FINEST = 16
"""Parts of a span between two readings, in which the temperature runs straight."""


def time_at_temperature_s(readings: Sequence[HeaterReading], temperature_c: float, q_j_per_mol: float) -> float:
    """Seconds at `temperature_c` that bring as much diffusion as the temperatures that were read, in order of time."""
    if len(readings) < 2:
        return 0.0
    time_s = np.array([r.time_s for r in readings])
    read_c = np.array([r.temperature_c for r in readings])
    places = np.arange((len(readings) - 1) * _FINEST + 1) / _FINEST
    fine_s, fine_c = (np.interp(places, np.arange(len(readings)), v) for v in (time_s, read_c))
    inverse = 1.0 / (np.maximum(fine_c, -200.0) + kelvin(0.0)) - 1.0 / kelvin(temperature_c)
    return float(np.trapezoid(np.exp(-q_j_per_mol / GAS_CONSTANT_J_PER_MOL_K * inverse), fine_s))


def with_gaps_hot(
    readings: Sequence[HeaterReading], temperature_c: float, *, gap: float = 10.0, gap_s: float = 0.5
) -> list[HeaterReading]:
    """Readings of a pulse, where for a while there were none: the chip is taken to have been as hot as was asked.

    A span between two readings that is longer than `gap_s`, and `gap` times as long as the usual one, is a gap.
    """
    if len(readings) < 2:
        return list(readings)
    spans_s = np.diff([r.time_s for r in readings])
    longest_s = max(gap_s, gap * float(np.median(spans_s[spans_s > 0.0]))) if len(spans_s) > 2 else gap_s
    filled = [readings[0]]
    for before, after in pairwise(readings):
        span_s, warmest_c = after.time_s - before.time_s, max(before.temperature_c, after.temperature_c)
        quiet = warmest_c < _COLD_C and span_s < _QUIET_S
        if span_s > longest_s and not quiet:
            hot = replace(before, temperature_c=max(temperature_c, before.temperature_c))
            filled += [hot, replace(hot, time_s=after.time_s)]
        filled.append(after)
    return filled


def with_ramp_as_asked(
    readings: Sequence[HeaterReading], temperature_c: float, asked_s: float, rate_c_per_s: float, tolerance_c: float
) -> list[HeaterReading]:
    """Readings of a pulse by an instrument that samples seldom, with the ramp put between two of them.

    A straight line from the last cold reading to the first hot one would lose most of the time between them: a heater
    that was told at `asked_s` to ramp was hot when its ramp was over, but not before the one, nor after the other.
    """
    hot = next((n for n, r in enumerate(readings) if r.temperature_c >= temperature_c - tolerance_c), 0)
    if hot == 0 or not readings[hot].period_s:
        return list(readings)
    before, after = readings[hot - 1], readings[hot]
    began_s = min(max(asked_s, before.time_s), after.time_s)
    reached_s = began_s + max(temperature_c - before.temperature_c, 0.0) / rate_c_per_s
    if reached_s >= after.time_s:
        return list(readings)
    ramp = [replace(before, time_s=began_s), replace(after, time_s=reached_s)]
    return [*readings[:hot], *ramp, *readings[hot:]]


def sampling_std_s(readings: Sequence[HeaterReading]) -> float:
    """Error of a pulse's length by the time between samples: each of its two ends lies anywhere between two of them."""
    return max((r.period_s for r in readings), default=0.0) / math.sqrt(6.0)


def relative_rate_std(temperature_c: float, std_c: float, q_j_per_mol: float) -> float:
    """Relative error of diffusion's rate by that of the temperature, ``Q / (R T^2) std``."""
    return q_j_per_mol / (GAS_CONSTANT_J_PER_MOL_K * kelvin(temperature_c) ** 2) * std_c


def ramp_worth_s(temperature_c: float, rate_c_per_s: float, q_j_per_mol: float = USUAL_Q_J_PER_MOL) -> float:
    """Seconds at `temperature_c` that a straight ramp up to it is worth."""
    rise_c = np.linspace(0.0, min(300.0, max(temperature_c - 25.0, 0.0)), 600)
    inverse = 1.0 / (kelvin(temperature_c) - rise_c) - 1.0 / kelvin(temperature_c)
    return float(np.trapezoid(np.exp(-q_j_per_mol / GAS_CONSTANT_J_PER_MOL_K * inverse), rise_c)) / rate_c_per_s
