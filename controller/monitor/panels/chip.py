"""Set point and temperature of the chip against time."""

from __future__ import annotations

from controller.monitor.panels.plot import Curve, Plot
from controller.monitor.state import WatchedSession


class ChipPlot(Plot):
    """The last half hour of readings."""

    def draw(self, session: WatchedSession) -> None:
        readings = session.readings
        times = [r.time_s for r in readings]
        self.show(
            [
                Curve(times, [r.setpoint_c for r in readings], "yellow"),
                Curve(times, [r.temperature_c for r in readings], "red"),
            ],
            y_range=(0.0, max([100.0, *(r.temperature_c for r in readings)])),
        )
        if readings:
            last = readings[-1]
            std = "" if last.temperature_std_c is None else f" +- {last.temperature_std_c:.1f}"
            self.border_title = f"chip {last.temperature_c:.1f}{std} C, set {last.setpoint_c:.1f} C"
