"""When the screen is drawn: once in a while, at once where a person or an alarm wants it, and never not at all."""

import asyncio
from time import monotonic

from controller import events as ev
from controller.monitor.app import MonitorApp
from controller.monitor.panels.drawn import same
from controller.monitor.panels.plot import Plot
from tests.controller.monitor.test_monitor import settled, story


class Slowly:
    """Tells its events one after the other, so far apart."""

    lacks = ""

    def __init__(self, events: list[ev.Event], every_s: float) -> None:
        self._events, self._every_s = events, every_s
        self.told = asyncio.Event()

    async def events(self):
        for event in self._events:
            yield event
            await asyncio.sleep(self._every_s)
        self.told.set()
        await asyncio.Event().wait()

    async def command(self, name: str) -> str:
        return name


def test_a_flood_of_warnings_does_not_hold_up_the_screen(monkeypatch):
    drawn_at: list[float] = []
    draw = MonitorApp.redraw
    monkeypatch.setattr(MonitorApp, "redraw", lambda self: (drawn_at.append(monotonic()), draw(self)))

    async def main() -> None:
        flood = [ev.Log(float(n), "warning", f"number {n}") for n in range(150)]
        source = Slowly([*story()[:2], *flood], 0.015)
        async with MonitorApp(source).run_test(size=(80, 24)):
            await source.told.wait()

    asyncio.run(main())
    assert len(drawn_at) > 15


def test_a_picture_that_was_held_back_comes_when_nothing_follows():
    async def main() -> str:
        pictures = [ev.Picture("c04/NC2/tilt", 2.0 * n, (8, 8), bytes(range(64)), n) for n in range(3)]
        source = Slowly([*story()[:2], *pictures], 0.3)
        app = MonitorApp(source)
        async with app.run_test(size=(80, 24)) as pilot:
            await source.told.wait()
            until = monotonic() + 8.0
            while (told := str(app.query_one("#frame").border_subtitle)) != "+4.0 deg" and monotonic() < until:
                await pilot.pause(0.1)
            return told

    assert asyncio.run(main()) == "+4.0 deg"


def test_panels_for_which_there_is_room_later_are_drawn(source):
    told = source(story())

    async def main() -> int:
        app = MonitorApp(told)
        async with app.run_test(size=(60, 15)) as pilot:
            await settled(pilot)
            await pilot.resize_terminal(160, 48)
            await settled(pilot)
            return len(app.query_one("#temperature", Plot).curves)

    assert asyncio.run(main()) >= 2


def test_what_is_drawn_again_is_compared_with_its_style():
    from rich.text import Text

    assert same(Text("a", style="dim"), Text("a", style="dim"))
    assert not same(Text("a", style="dim"), Text("a", style="bold"))
    assert not same(Text("a"), Text("b"))
