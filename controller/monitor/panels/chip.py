"""Set point and temperature of the chip against time."""

from __future__ import annotations

from math import ceil, log

import numpy as np

from controller.monitor.panels.plot import Curve, Plot
from controller.monitor.state import WatchedSession

_LEAST_GAP_S, _GAP_READINGS = 10.0, 20
"""Between readings, above which nothing is known: so long, and so many times as long as usual."""
_AROUND = 50
"""Readings."""

_COLD_C = 25.0
_LEAST_AHEAD_S = 600.0
_STRIDE = 1.25
"""By which the axis of time grows."""
_LEAST_STD_C = 0.05
"""Less would be written as none, and no sensor knows that."""


class ChipPlot(Plot):
    """Readings and, fainter, the plan that is left; and how old the newest reading is."""

    def draw(self, session: WatchedSession) -> None:
        readings = session.readings
        times = [r.time_s for r in readings]
        gaps = gaps_in(times)
        planned = forecast(session)
        highest_c = max([100.0, *(r.temperature_c for r in readings), *(c for _, c in planned)])
        self.show(
            [
                Curve([t for t, _ in planned], [c for _, c in planned], "grey42", name="planned", dashed=True),
                Curve(times, [r.setpoint_c for r in readings], "grey62", name="set", dashed=True, breaks=gaps),
                Curve(times, [r.temperature_c for r in readings], "bright_blue", name="measured", breaks=gaps),
            ],
            y_range=(0.0, 50.0 * np.ceil(highest_c / 50.0)),
        )
        if readings:
            self.framed(chip_in_words(session))
            self.set_class(bool(session.age_in_words()), "old")


def gaps_in(times_s: list[float]) -> frozenset[int]:
    """After which readings nothing was known for a while, by what is usual around them: older ones are thinned."""
    times = np.asarray(times_s)
    intervals_s = np.diff(times)
    pairs_s = times[2:] - times[:-2]  # of thinned readings every other interval is long
    found: set[int] = set()
    for first in range(0, len(intervals_s), _AROUND):
        near_s = pairs_s[max(0, first - _AROUND) : first + 2 * _AROUND]
        most_s = max(_LEAST_GAP_S, 0.5 * _GAP_READINGS * float(np.median(near_s)) if near_s.size else 0.0)
        found.update((first + np.flatnonzero(intervals_s[first : first + _AROUND] > most_s)).tolist())
    return frozenset(found)


def forecast(session: WatchedSession) -> list[tuple[float, float]]:
    """Corners (session time in s, temperature in C) of what is planned, at least as far ahead as the past is shown."""
    if not session.readings:
        return []
    first_s = session.readings[0].time_s
    # The axis grows in strides, so that what is drawn stays where it is in between.
    strides = max(0, ceil(log(max(session.time_s - first_s, 1e-9) / _LEAST_AHEAD_S, _STRIDE)))
    end_s = first_s + 2.0 * _LEAST_AHEAD_S * _STRIDE**strides
    corners, last_s = [(session.time_s, _COLD_C)], session.time_s
    for begins_s, step in session.ahead():
        if begins_s >= end_s:
            break
        last_s = min(end_s, begins_s + step.takes_s)
        if step.temperature_c is not None and step.duration_s is not None:
            over_s = min(end_s, begins_s + max(step.duration_s, 1.0))
            corners += [(begins_s, _COLD_C), (begins_s, step.temperature_c)]
            corners += [(over_s, step.temperature_c), (over_s, _COLD_C)]
    return [*corners, (last_s, _COLD_C)] if last_s > session.time_s else []


def chip_in_words(session: WatchedSession) -> list[str]:
    """Temperature with its error, set point, and the reading's age where it is old; and shorter."""
    if not session.readings:
        return ["chip: no reading yet"]
    last, age = session.readings[-1], session.age_in_words()
    std = f" +- {last.temperature_std_c:.1f}" if (last.temperature_std_c or 0.0) >= _LEAST_STD_C else ""
    chip = f"chip {last.temperature_c:.1f}{std} C"
    return [f"{chip}, set {last.setpoint_c:.1f} C{age}", f"{chip}{age}"]
