"""The line of keys follows what may be done, fits, and is clicked."""

import asyncio

import pytest
from textual.events import AppBlur

from controller import events as ev
from controller.monitor.app import MonitorApp
from controller.monitor.keys_footer import KeysFooter
from tests.controller.monitor.test_monitor import settled
from tests.controller.monitor.test_sheets import in_sheet, planned


def keys(app, _=None) -> set[str]:
    return {shown.key for shown in app.query_one(KeysFooter).keys}


def line(app, _=None) -> str:
    return app.query_one(KeysFooter).visual.plain


def test_each_sheet_has_its_keys(source):
    assert "z" in in_sheet(source, "1", keys)
    assert {"s", "c", "t"} <= in_sheet(source, "4", keys)
    assert not {"s", "c", "t"} & in_sheet(source, "1", keys, press=("4", "1"))


def test_its_words_follow_it(source):
    assert "z zoom" in in_sheet(source, "1", line)
    on_plan = in_sheet(source, "4", line, size=(120, 40))
    assert "s skip/take" in on_plan
    assert "z zoom" not in on_plan


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_no_key_is_cut_and_the_way_out_is_always_there(source, columns):
    def look(app, _):
        footer = app.query_one(KeysFooter)
        return footer.visual.plain, footer.size.width

    words, room = in_sheet(source, "4", look, size=(columns, 24))
    assert len(words) <= room
    assert words.endswith(" q leave")
    assert "? keys" in words


def test_a_click_is_the_key(source):
    async def main() -> None:
        told = source(planned())
        app = MonitorApp(told)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot)
            await pilot.click(KeysFooter, offset=(line(app).index("pause"), 0))
            await settled(pilot)
            assert told.commands == ["pause"]
            await pilot.click(KeysFooter, offset=(len(line(app)) + 1, 0))  # beyond the last
            await settled(pilot)
            assert told.commands == ["pause"]

    asyncio.run(main())


@pytest.mark.parametrize("columns", [80, 120])
def test_the_first_sheet_has_room_for_all_its_keys(source, columns):
    assert {"p", "a", "n", "z", "question_mark", "1", "q"} <= in_sheet(source, "1", keys, size=(columns, 24))


def test_the_line_is_up_to_date_where_the_terminal_has_no_focus(source):
    """A click does what is under it, whatever came meanwhile."""

    async def main() -> None:
        told = source(planned())
        app = MonitorApp(told)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot)
            app.post_message(AppBlur())
            app._take(ev.Log(1.0, "warning", "the beam drifts"))
            app.redraw()
            await settled(pilot)
            assert "x seen" in line(app)
            await pilot.click(KeysFooter, offset=(line(app).index("note"), 0))
            await settled(pilot)
            assert len(app.screen_stack) == 2, "a note is asked for"
            await pilot.press("escape")
            await pilot.resize_terminal(60, 24)
            await settled(pilot)
            assert line(app).endswith(" q leave")

    asyncio.run(main())
