"""Pictures of the screen, sheet by sheet, at four sizes and in six moods: ``make screens``, to be looked at.

The events are those of a short dry run, so that what is shown has happened.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from controller import events as ev
from controller.monitor.app import MonitorApp
from controller.monitor.plain_characters import VARIABLE
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


def as_deuteranopes_see(svg: str) -> str:
    """Its colours without the middle cones (Vienot, Brettel and Mollon, Color Res. Appl. 24 (1999) 243)."""

    def seen(match: re.Match[str]) -> str:
        r, g, b = (((int(match[0][i : i + 2], 16) / 255.0) ** 2.2) for i in (1, 3, 5))
        red_green, blue = 0.29275 * r + 0.70725 * g, -0.02234 * r + 0.02234 * g + b
        return "#" + "".join(
            f"{round(255 * max(0.0, min(1.0, v)) ** (1 / 2.2)):02x}" for v in (red_green, red_green, blue)
        )

    return re.sub(r"#[0-9a-fA-F]{6}\b", seen, svg)


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
    by_mood = moods(recorded())
    for mood, events in {**by_mood, "ascii": by_mood["normal"]}.items():
        os.environ.pop(VARIABLE, None)
        if mood == "ascii":
            os.environ[VARIABLE] = "1"
        for width, height in SIZES:
            for key in SHEETS if mood in ("normal", "ascii") else SHEETS[:1]:
                svg = asyncio.run(picture(events, (width, height), key))
                drawn = {mood: svg} | ({"deuteranope": as_deuteranopes_see(svg)} if mood == "normal" else {})
                for name, text in drawn.items():
                    path = OUT / f"{name}_{width}x{height}_{key}.svg"
                    path.write_text(text)
                    print(path)


if __name__ == "__main__":
    main()
