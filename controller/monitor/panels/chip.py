"""Set point and temperature of the chip against time."""

from __future__ import annotations

import numpy as np

from controller.monitor.panels.plot import Curve, Plot
from controller.monitor.state import WatchedSession

_LEAST_GAP_S, _GAP_READINGS = 10.0, 20
"""Between readings, above which nothing is known: so long, and so many times as long as usual."""

_LEAST_STD_C = 0.05
"""Less would be written as none, and no sensor knows that."""


class ChipPlot(Plot):
    """The last half hour of readings, and how old the newest is."""

    def draw(self, session: WatchedSession) -> None:
        readings = session.readings
        times = [r.time_s for r in readings]
        usual_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        gap = max(_LEAST_GAP_S, _GAP_READINGS * usual_s)
        self.show(
            [
                Curve(times, [r.setpoint_c for r in readings], "grey62", name="set", dashed=True, gap=gap),
                Curve(times, [r.temperature_c for r in readings], "bright_blue", name="measured", gap=gap),
            ],
            y_range=(0.0, max([100.0, *(r.temperature_c for r in readings)])),
        )
        if readings:
            last = readings[-1]
            std = f" +- {last.temperature_std_c:.1f}" if (last.temperature_std_c or 0.0) >= _LEAST_STD_C else ""
            old = session.age_in_words()
            self.border_title = f"chip {last.temperature_c:.1f}{std} C, set {last.setpoint_c:.1f} C{old}"
            self.set_class(bool(old), "old")
