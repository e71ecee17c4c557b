"""What keys do is found by its words as well, and the stop is heard above all that is shown."""

import asyncio

from controller import events as ev
from controller.monitor.app import MonitorApp
from controller.monitor.keys_palette import KeysPalette, commands_of_keys
from tests.controller.monitor.test_monitor import settled
from tests.controller.monitor.test_sheets import in_sheet, planned

PAUSED = [*planned(), ev.RunStateChanged(30.0, "paused")]


def offered(app, _) -> dict[str, str]:
    return {command.help: command.title for command in commands_of_keys(app, app.screen)}


def test_what_may_be_done_now_is_offered_with_its_key(source):
    running = in_sheet(source, "1", offered)
    assert running["key p"] == "pause the plan"
    assert running["key !"] == "EMERGENCY STOP"
    assert running["key 1"] == "now"
    assert "key r" not in running
    assert "key s" not in running, "acts on the plan's sheet alone"
    assert "key s" in in_sheet(source, "4", offered)
    paused = in_sheet(source, "1", offered, events=PAUSED)
    assert "key p" not in paused
    assert paused["key r"].startswith("resume")


def told_after(source, *keys: str) -> list[str]:
    async def main():
        told = source(planned())
        app = MonitorApp(told)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            await pilot.press("ctrl+p")
            assert isinstance(app.screen, KeysPalette)
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
            while not told.commands:
                await pilot.pause(0.05)
            assert not isinstance(app.screen, KeysPalette)
            return told.commands

    return asyncio.run(main())


def test_a_command_that_is_chosen_by_its_words_is_given(source):
    assert told_after(source, *"pause", "enter", "enter") == ["pause"]


def test_the_stop_is_at_once_while_a_command_is_sought(source):
    assert told_after(source, "exclamation_mark") == ["stop"]
