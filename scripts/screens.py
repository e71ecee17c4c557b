"""Pictures of the screen, sheet by sheet, at four sizes and in six moods: ``make screens``, to be looked at.

The events are those of a short dry run, so that what is shown has happened.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from controller import events as ev
from controller.monitor.app import MonitorApp
from controller.plan.session_file import load_session
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.recorded.folder import SessionFolder

SIZES = ((60, 15), (80, 24), (120, 40), (200, 60))
SHEETS = ("1", "2", "3", "4", "5", "6")
OUT = Path("build/screens")
SESSION = """
title = "NC2 and NR1, 450 C"
seed = 4
report = false
chip = { backend = "simulated", ramp_c_per_s = 1000.0, limits = { max_c = 600.0 } }
scan = { pixel_nm = 2.0, shape = [64, 64], dwell_us = 40.0, current_pa = 200.0 }
tilt = { mode = "stepped", from_deg = -70.0, to_deg = 70.0, step_deg = 5.0 }
particles = [{ name = "NC2", core = "Au", shell = "Ag" }, { name = "NR1", core = "Au", shell = "Ag", x_nm = 3000.0 }]
plan = [
    { kind = "tilt-series" },
    { kind = "pulses", temperature_c = 450.0, durations_s = [20.0, 60.0], wait_for_results = true },
    { kind = "pulses", temperature_c = 480.0, durations_s = [10.0], wait_for_results = true },
]
[microscope]
backend = "simulated"
options = { voxels_across = 36.0, particles = [{ specimen = "NC2" }, { specimen = "NR1", x_nm = 3000.0 }] }
"""
SEEN = 0.7
"""Of a session, by the number of its events."""


class Told:
    """A source of events that have been."""

    lacks = ""

    def __init__(self, events: list[ev.Event]) -> None:
        self._events = events

    async def events(self) -> AsyncIterator[ev.Event | None]:
        for event in self._events:
            yield event
        await asyncio.Event().wait()

    async def command(self, name: str) -> str:
        return name


def recorded() -> list[ev.Event]:
    """Of a dry run."""
    with tempfile.TemporaryDirectory() as folder:
        path, events = Path(folder) / "session.toml", []
        path.write_text(SESSION)
        clock = SteppedClock()
        session = Session(load_session(path), path, SessionFolder(Path(folder) / "s"), clock, [events.append])
        clock.run(session.run())
        return events


def moods(events: list[ev.Event]) -> dict[str, list[ev.Event]]:
    """By name: the events until then."""
    some = [e for e in events[: int(SEEN * len(events))] if not (isinstance(e, ev.Log) and e.level != "info")]
    at_s = max(getattr(e, "time_s", 0.0) for e in some)
    warned = ev.Log(at_s, "warning", "the analysis process ended (code -9); started again (1), nothing was lost")
    stopped = "emergency stop: the chip is off, the beam is blanked"
    ended = [
        ev.Log(at_s, "error", stopped),
        ev.RunStateChanged(at_s, "failed", stopped),
        ev.ChipReading(at_s + 1.0, 31.0, 25.0, None),
        ev.Finished("failed", stopped, "sessions/nc2"),
    ]
    return {"normal": some, "alarm": [*some, warned], "stopped": [*some, *ended], "finished": events}


async def picture(events: list[ev.Event], size: tuple[int, int], key: str) -> str:
    app = MonitorApp(Told(events))
    async with app.run_test(size=size) as pilot:
        await pilot.pause(4 * MonitorApp.refresh_s)
        await pilot.press(key)
        before = ""
        while (now := app.export_screenshot(title=f"{size[0]}x{size[1]}, sheet {key}")) != before:
            before = now
            await pilot.pause(2 * MonitorApp.refresh_s)
        return now


def main() -> None:
    MonitorApp.refresh_s = 0.1
    OUT.mkdir(parents=True, exist_ok=True)
    for mood, events in moods(recorded()).items():
        for width, height in SIZES:
            for key in SHEETS if mood == "normal" else SHEETS[:1]:
                path = OUT / f"{mood}_{width}x{height}_{key}.svg"
                path.write_text(asyncio.run(picture(events, (width, height), key)))
                print(path)


if __name__ == "__main__":
    main()
