"""Plots and pictures made of characters, and what is drawn on the frame."""

import asyncio
import re

import numpy as np
import pytest
from rich.text import Text
from textual.widgets import RichLog

from analysis.results import Estimate, Outlined
from controller import events as ev
from controller.monitor.app import MonitorApp
from controller.monitor.panels.picture import PicturePanel, half_blocks
from controller.monitor.panels.plot import Curve, Plot, draw
from tests.controller.monitor.test_monitor import settled


def test_a_plot_puts_rising_data_in_rising_rows():
    rising = draw([Curve([0, 1, 2, 3], [0, 1, 2, 3], "red")], 30, 8, "s")
    rows = rising.plain.splitlines()
    first = [min((i for i, c in enumerate(row[4:]) if c > "⠀"), default=99) for row in rows[:-1]]
    assert first == sorted(first, reverse=True)
    assert isinstance(draw([], 30, 8, "s"), Text)
    assert Plot("t", "s", id="p").border_title == "t"


def test_one_temperature_has_an_axis_around_it():
    x_axis = draw([Curve([1.383], [-18.4], "red", joined=False)], 44, 8, "1000/K").plain.splitlines()[-1]
    left, right = (float(word) for word in x_axis.split()[:2])
    assert left < 1.383 < right < left + 0.1
    from_0 = draw([Curve([0.0], [0.5], "red", joined=False)], 44, 8, "s").plain
    assert re.search(r"^ {5}●", from_0, re.MULTILINE)


@pytest.mark.parametrize("shape", [(64, 64), (20, 90), (90, 20), (1, 1)])
def test_pictures_fit_whatever_their_shape(shape):
    text = half_blocks(np.full(shape, 128, np.uint8), 21, 9)
    lines = text.plain.splitlines()
    assert len(lines) <= 9
    assert max(map(len, lines)) <= 21


def test_outlines_are_drawn_on_the_frame_they_belong_to_and_lost_particles_are_told(source):
    picture = ev.Picture("c04/NC2/tilt", 0.0, (64, 64), bytes(64 * 64), 35)
    rims = np.zeros((64, 64), np.uint8)
    rims[20:44, [20, 43]] = rims[[20, 43], 20:44] = 1

    def outlined(step: str, frame: int) -> ev.ResultReceived:
        return ev.ResultReceived(
            Outlined(
                step=step,
                particle="NC2",
                frame=frame,
                found=3,
                touching=0,
                cut=1,
                diameter_nm=Estimate(52.13, 0.41),
                happened=("particle 2 lost",),
                shape=rims.shape,
                rims=rims.tobytes(),
            )
        )

    async def shown(step: str, frame: int, zoomed: bool = False, columns: int = 160) -> tuple[str, set[str], str]:
        app = MonitorApp(source([picture, outlined(step, frame)]))
        async with app.run_test(size=(columns, 48)) as pilot:
            await settled(pilot)
            await pilot.press(*"zz" * zoomed)
            await settled(pilot)
            frame = app.query_one("#frame", PicturePanel)
            colours = {str(span.style) for span in frame.render().spans}
            drawn = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
            assert f"─ {frame.border_subtitle} ─" in drawn, "as it is drawn, it is whole"
            return (
                str(frame.border_subtitle),
                colours,
                "\n".join(line.text for line in app.query_one("#log", RichLog).lines),
            )

    caption, colours, log = asyncio.run(shown("c04/NC2/tilt", 34, zoomed=True))
    assert caption == "+0.0 deg, 3 particles, 52.13 +- 0.41 nm, cut by the field"
    assert any("rgb(255,170,0)" in c for c in colours)
    assert "c04/NC2/tilt: particle 2 lost" in log
    # Where there is less room, what a size is worth is told rather than the tilt, and nothing is cut in two.
    assert asyncio.run(shown("c04/NC2/tilt", 34))[0] == "52.13 +- 0.41 nm, cut by the field"
    assert [asyncio.run(shown("c04/NC2/tilt", 34, columns=c))[0] for c in (100, 80)] == ["+0.0 deg"] * 2
    for step, frame in (("c03/NC2/tilt", 35), ("c04/NC2/tilt", 20)):
        caption, colours, _ = asyncio.run(shown(step, frame))
        assert caption == "+0.0 deg"
        assert not any("rgb(255,170,0)" in c for c in colours)
