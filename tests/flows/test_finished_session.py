"""A session that is over, opened on the screen: what it found, and that it is over."""

import asyncio

import pytest
from textual.widgets import RichLog, Static

from analysis.report.story import SessionStory
from controller.monitor.app import MonitorApp
from controller.monitor.panels.plan import PlanTable
from controller.record.finished_session import FinishedSession
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import read_journal
from drivers.recorded.records import StepDone
from tests.command import alloyscope
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


def test_its_plan_its_log_and_its_last_frame_are_there(session_file, tmp_path, recorded):
    session = recorded(session_file(), tmp_path / "s")

    async def main():
        app = MonitorApp(Told(SessionStory.read(session.folder)))
        async with app.run_test(size=(160, 48)) as pilot:
            await settled(pilot)
            frame = app.query_one("#frame")
            assert "deg" in str(frame.border_subtitle)
            assert "next: alloyscope report" in str(app.query_one("#next", Static).render())
            made = session.folder / "report" / "report.html"
            made.parent.mkdir()
            made.touch()
            app.redraw()
            assert f"report: {made}"[:100] in str(app.query_one("#next", Static).render())
            await pilot.press("4")
            await settled(pilot)
            rows = app.query_one("#plan-sheet", PlanTable)
            plan = [[str(cell) for cell in rows.get_row_at(n)] for n in range(rows.row_count)]
            await pilot.press("5")
            await settled(pilot)
            log = [line.text for line in app.query_one("#log-sheet", RichLog).lines]
        return plan, log

    plan, log = asyncio.run(main())
    done = [e.record.step for e in read_journal(session.folder) if isinstance(e.record, StepDone)]
    assert [row[2] for row in plan] == done
    assert {row[0] for row in plan} == {"✓"}
    assert any(row[3].startswith("heat 450 C 6") for row in plan)
    assert any(row[3] == "29 frames" for row in plan)
    assert [line for line in log if "is over" in line] == [line for line in log if any(s in line for s in done)]
    assert len(log) >= len(done)


@pytest.mark.parametrize("left", [0.6, 0.2])
def test_one_that_was_cut_says_so(session_file, tmp_path, recorded, left):
    session = recorded(session_file(), tmp_path / "s")
    journal = SessionFolder(session.folder).journal
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: int(left * len(lines))]))
    _, status, _ = shown(session.folder)
    assert "cut off" in status


def test_without_a_terminal_it_says_what_does_without_one(session_file, tmp_path, recorded):
    folder = recorded(session_file(), tmp_path / "s").folder
    done = alloyscope("monitor", folder, cwd=tmp_path)
    assert done.returncode == 2
    assert "draws on a terminal, and there is none; alloyscope status FOLDER" in done.stderr
    assert alloyscope("status", folder, cwd=tmp_path).returncode == 0
