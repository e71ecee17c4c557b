"""A session that is over, opened on the screen: what it found, and that it is over."""

import asyncio

import pytest
from textual.widgets import Static

from analysis.report.story import SessionStory
from controller.monitor.app import MonitorApp
from controller.record.finished_session import FinishedSession
from drivers.recorded.folder import SessionFolder
from tests.controller.monitor.test_monitor import settled, words


class Told(FinishedSession):
    """Knows when it has told all."""

    def __init__(self, story: SessionStory) -> None:
        super().__init__(story)
        self.told = asyncio.Event()

    async def events(self):
        async for event in super().events():
            yield event
        self.told.set()
        await asyncio.Event().wait()


def shown(folder, press=()) -> tuple[str, str, str]:
    """Words, the line with the state, and the title of the slices."""

    async def main():
        app = MonitorApp(Told(SessionStory.read(folder)))
        async with app.run_test(size=(160, 48)) as pilot:
            await settled(pilot)
            await pilot.press(*press)
            await settled(pilot)
            return words(app), str(app.query_one("#status", Static).render()), app.query_one("#slice").border_title

    return asyncio.run(main())


def test_it_shows_what_was_found_and_takes_no_command(session_file, tmp_path, recorded):
    session = recorded(session_file(), tmp_path / "s")
    told, status, slices = shown(session.folder, press="!")
    (d,) = SessionStory.read(session.folder).fits["NC2"].diffusivities
    assert f"{d} m2/s" in told
    assert "ended at" in told
    assert "SIMULATED" in status
    assert "completed; q leaves" in status
    assert "at the end" in told
    assert slices == "slice: first, now"
    assert "stop: the session is over, and nothing can be asked of it" in told


@pytest.mark.parametrize("left", [0.6, 0.2])
def test_one_that_was_cut_says_so(session_file, tmp_path, recorded, left):
    session = recorded(session_file(), tmp_path / "s")
    journal = SessionFolder(session.folder).journal
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: int(left * len(lines))]))
    _, status, _ = shown(session.folder)
    assert "cut off" in status
