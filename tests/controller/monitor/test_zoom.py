"""One panel at a time has the room of all of them, also where a terminal is too small for panels; keys are told."""

import pytest
from textual.widgets import Static

from controller.monitor.keys_help import KeysHelp
from tests.controller.monitor.test_sheets import SIZES, in_sheet

PANELS = ("temperature", "pictures", "alloying", "words")


def seen(app, _=None) -> list[str]:
    """Panels of the first sheet that have room, and whether the lines above and the stop are there still."""
    assert app.query_one("#status").region.y == 0
    assert app.query_one("#stop").region.height == 1
    panels = app.query_one("#panels")
    return [p.id for p in panels.children if panels.display and p.display and p.region.height > 0]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_each_panel_is_zoomed_in_turn_and_then_all_are_back(source, size):
    whole = in_sheet(source, "1", seen, size=size)
    for presses, name in enumerate(PANELS, 1):
        assert in_sheet(source, "1", seen, size=size, press=("z",) * presses) == [name], presses
        rooms = in_sheet(
            source, "1", lambda app, _, n=name: app.query_one(f"#{n}").region, size=size, press=("z",) * presses
        )
        assert rooms.width == size[0]
        assert rooms.height >= size[1] - 6
    for back in (("z",) * 5, ("z", "z", "escape")):
        assert in_sheet(source, "1", seen, size=size, press=back) == whole


def test_a_plot_that_is_turned_over_is_zoomed_as_it_is(source):
    assert in_sheet(source, "1", seen, press=("d", "z", "z", "z")) == ["arrhenius"]
    assert in_sheet(source, "1", seen, press=("z", "z", "z", "d")) == ["temperature", "pictures", "arrhenius", "words"]


def test_other_sheets_are_whole_already(source):
    def bindings(app, _):
        return {b.binding.key for b in app.screen.active_bindings.values() if b.enabled}

    assert "z" in in_sheet(source, "1", bindings)
    assert "z" not in in_sheet(source, "4", bindings)


def test_every_key_is_told_and_the_help_is_left_as_it_came(source):
    def words(app, _):
        assert isinstance(app.screen, KeysHelp)
        return str(app.screen.query_one(Static).render())

    told = in_sheet(source, "1", words, press=("question_mark",))
    for key, what in (
        ("!", "EMERGENCY STOP"),
        ("t", "take this step again"),
        ("x", "warnings are seen"),
        ("d", "D against 1/T"),
        ("e", "report"),
        ("z", "zoom"),
        ("1-6", "now, results"),
    ):
        assert any(line.split()[:1] == [key] and what in line for line in told.splitlines()), key
    for key in ("escape", "question_mark", "q"):
        assert not isinstance(in_sheet(source, "1", lambda app, _: app.screen, press=("question_mark", key)), KeysHelp)


def test_the_stop_key_is_heard_while_keys_are_told(source):
    def look(app, told):
        return told.commands, isinstance(app.screen, KeysHelp)

    assert in_sheet(source, "1", look, press=("question_mark", "!")) == (["stop"], False)


def test_a_zoomed_plot_that_another_takes_the_place_of_is_zoomed_no_more(source):
    def state(app, _):
        return app._zoomed, seen(app)

    assert in_sheet(source, "1", state, press=("z", "z", "z", "d")) == (
        "",
        ["temperature", "pictures", "arrhenius", "words"],
    )
    assert in_sheet(source, "1", state, press=("z", "z", "z", "d", "z"))[1] == ["temperature"]


def test_a_report_is_asked_of_the_session(source):
    assert in_sheet(source, "1", lambda _, told: told.commands, press=("e",)) == ["report"]
