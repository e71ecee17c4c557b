"""The lines above everything say the whole of what they say, at every size."""

import asyncio

import pytest
from msgspec.structs import replace

from controller import events as ev
from controller.monitor.app import MonitorApp
from controller.monitor.panels.status import AlarmLine, StatusLine
from tests.controller.monitor.test_monitor import settled
from tests.controller.monitor.test_sheets import SIZES, planned

LOST = "the analysis process ended (code -9); started again (1), nothing was lost"
LONG = "the flat of the holder's own log has " + "another odd word, " * 40
FOLDER = "sessions/nc2-20261129-101112"
WAITS = ev.StepProgress(756.0, "c04/results", 10, 19, 0, 1, 1000.0, waits=True)
FAILED = [ev.RunStateChanged(760.0, "failed"), ev.Finished("failed", "emergency stop", FOLDER)]


def rows_of(source, events, size, press="", name="status") -> list[str]:
    """As they are drawn, without what is blank."""

    async def main() -> list[str]:
        app = MonitorApp(source(events))
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await (pilot.click(press) if press.startswith("#") else pilot.press(*press))
            await pilot.pause(3 * MonitorApp.refresh_s)
            said = app.query_one(StatusLine)._said
            turned = "".join(said.plain[s.start : s.end] for s in said.spans if "reverse" in str(s.style))
            assert turned.strip() == said.plain.split()[0] and "reverse" not in str(said.style)
            region = app.query_one(f"#{name}").region
            return [strip.text.strip() for strip in app.screen._compositor.render_strips()[region.y : region.bottom]]

    return asyncio.run(main())


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_an_alarm_is_told_to_its_end(source, size):
    rows = rows_of(source, [*planned(), ev.Log(755.0, "warning", LOST)], size, name="alarm")
    assert " ".join(rows) == f"0:12:35 {LOST}"
    assert len(rows) == (2 if size[0] < 100 else 1)


def test_an_alarm_longer_than_its_rows_says_where_the_rest_is(source):
    rows = rows_of(source, [*planned(), ev.Log(755.0, "warning", LONG)], (60, 15), name="alarm")
    assert len(rows) == 3 and rows[-1].endswith("… (5: log)")
    assert LONG.startswith(" ".join(rows).removeprefix("0:12:35 ").removesuffix("… (5: log)").rstrip())


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize(
    ("events", "press", "words"),
    [
        ([], "", "✓ all well"),
        ([ev.Log(755.0, "warning", LOST)], "", "⚠ 1 warning, x: seen"),
        ([], "a", "press a again to abort"),
        ([], "#stop", ("click again to switch off chip and beam, or press !", "again, or !: chip and beam off")),
        ([WAITS], "", ("all well; the plan waits for the analysis", "all well; waits for the analysis")),
        (FAILED, "", "failed; q leaves"),
    ],
    ids=["well", "alarm", "abort", "stop", "waits", "failed"],
)
def test_the_verdict_is_whole_and_simulated_is_said(source, size, events, press, words):
    title = "A title of many words, as people who keep their sessions for years do give them"
    told = [replace(e, title=title) if isinstance(e, ev.Started) else e for e in planned()]
    (row,) = rows_of(source, [*told, *events], size, press)
    assert row.endswith(words) and "SIMULATED" in row
    assert size[0] < 120 or "A title" in row


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_what_to_type_after_the_end_is_whole(source, size):
    (row,) = rows_of(source, [*planned(), *FAILED], size, name="next")
    assert f"alloyscope resume {FOLDER}" in row and "…" not in row
    assert size[0] < 120 or row.endswith(f"alloyscope report {FOLDER}")


def test_what_to_type_fits_again_after_the_terminal_grew(source):
    async def main() -> list[int]:
        app = MonitorApp(source([*planned(), ev.Log(755.0, "warning", LOST)]))
        async with app.run_test(size=(60, 15)) as pilot:
            await settled(pilot)
            rows = [app.query_one(AlarmLine).region.height]
            for size in ((200, 60), (60, 15)):
                await pilot.resize_terminal(*size)
                await settled(pilot)
                await pilot.pause(8 * MonitorApp.refresh_s)
                rows.append(app.query_one(AlarmLine).region.height)
            return rows

    assert asyncio.run(main()) == [2, 1, 2]
