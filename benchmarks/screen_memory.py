"""What an hour of events leaves in the memory of the screen: stepped, and drawn once in ten seconds of them."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from benchmarks.row import Row
from controller import events as ev
from controller.monitor.app import MonitorApp

_SECONDS, _EARLY_S, _FRAMES_PER_S, _TILTS = 3600, 600, 25, 71
_DRAWN_EVERY_S = 10
_FLAT_MB = 5.0
"""Textual's own caches fill up to their ends."""


class _Quiet:
    """A source that tells nothing: events are handed to the screen one by one."""

    lacks = ""

    async def events(self) -> AsyncIterator[ev.Event | None]:
        yield ev.Started("an hour", "s", True, ("A",), 400)
        await asyncio.Event().wait()

    async def command(self, name: str) -> str:
        return name


def rows() -> Iterator[Row]:
    grown_mb = asyncio.run(_grown_mb())
    yield Row(
        "screen at 80x24: memory after an hour of events, above that after ten minutes",
        grown_mb,
        "MB",
        bar=f"flat (<= {_FLAT_MB:g} MB)",
        held=grown_mb <= _FLAT_MB,
    )


async def _grown_mb() -> float:
    app, kept = MonitorApp(_Quiet()), []
    async with app.run_test(size=(80, 24)) as pilot:
        for second in range(_SECONDS):
            for event in _of(second):
                app._take(event)
            if second % _DRAWN_EVERY_S == _DRAWN_EVERY_S - 1:
                app.redraw()
                await pilot.pause()
            if second in (_EARLY_S, _SECONDS - 1):
                gc.collect()
                kept.append(_resident_mb())
    return kept[1] - kept[0]


def _of(second: int) -> Iterator[ev.Event]:
    pixels = bytes(range(256)) * 16
    for n in range(_FRAMES_PER_S):
        at_s, index = second + n / _FRAMES_PER_S, second * _FRAMES_PER_S + n
        part, step = index % _TILTS, f"c{index // (25 * _TILTS):02d}/A/tilt"
        yield ev.Picture(step, 2.0 * part - 70.0, (64, 64), pixels, part)
        yield ev.StepProgress(at_s, step, 9, 400, part, _TILTS, 7200.0 - second, 2.0 * part - 70.0)
        if n % 5 in (0, 2):
            yield ev.ChipReading(at_s, 25.0 + n, 25.0, 10.0)
    if second % 30 == 0:
        yield ev.Log(float(second), "info", f"heated to 450 C for the {second // 30}th time")


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    for row in rows():
        print(row)
