"""Six sheets at four sizes: each is whole, nothing jumps, and the plan that is left is changed from its own."""

import asyncio
import random
import re

import numpy as np
import pytest
from textual.app import App
from textual.widgets import ContentSwitcher, Static

from analysis.results import Estimate, Preview, StateResult
from controller import events as ev
from controller.monitor.app import MonitorApp
from controller.monitor.panels.chip import forecast
from controller.monitor.panels.picture import PicturePanel, scale_bar
from controller.monitor.panels.plan import PlanTable
from controller.monitor.state import WatchedSession
from tests.controller.monitor.test_monitor import settled, story

SIZES = [(60, 15), (80, 24), (120, 40), (200, 60)]
STEPS = tuple(
    ev.PlannedStep(f"c{n:02d}/{what}", words, takes_s, *heat)
    for n in range(10)
    for what, words, takes_s, heat in (
        ("heat", "heat 450 C 15 s", 20.0, (450.0, 15.0)),
        ("NC2/tilt", "tilt NC2", 180.0, ()),
    )
)


def planned() -> list[ev.Event]:
    """The ninth of twenty steps runs; that is c04/heat's tilt series, had the first cycle no heat."""
    y, x = np.indices((64, 64))
    pictures = [(255 * (np.hypot(y - 32, x - 32) < 10 + n)).astype(np.uint8) for n in range(5)]
    facts = {"particle": "NC2", "frames": 71, "shape": (64, 64), "pixel_nm": 1.5}
    slices = [
        ev.ResultReceived(Preview(step=f"c{n:02d}/NC2/tilt", pixels=p.tobytes(), **facts))
        for n, p in enumerate(pictures)
    ]
    told = [e for e in story()[:-1] if not (isinstance(e, ev.ResultReceived) and isinstance(e.result, Preview))]
    return [*told, ev.PlanTold(STEPS), *slices]


def in_sheet(source, key: str, look, events=None, size=(80, 24), press=()):
    async def main():
        told = source(planned() if events is None else events)
        app = MonitorApp(told)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await pilot.press(key, *press)
            await pilot.pause(2 * MonitorApp.refresh_s)
            return look(app, told)

    return asyncio.run(main())


def shown(app: App) -> list:
    return [w for w in app.query("*") if all(above.display for above in w.ancestors_with_self) and w.id]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_each_sheet_lies_within_the_terminal_and_the_stop_key_is_there(source, size):
    def look(app, _):
        for widget in shown(app):
            region = widget.region
            assert region.right <= size[0], widget
            assert region.bottom <= size[1], widget
        assert "EMERGENCY STOP" in str(app.query_one("#stop", Static).render())
        return str(app.query_one("#sheets", ContentSwitcher).current)

    sheets = [in_sheet(source, key, look, size=size) for key in "123456"]
    assert sheets == ["now", "results-sheet", "slices-sheet", "plan-sheet", "log-sheet", "edx-sheet"]


@pytest.mark.parametrize("size", SIZES)
def test_no_words_in_a_frame_are_cut_in_two(source, size):
    """While it runs and once it was stopped, on all sheets, as they are drawn."""
    stopped = [*planned(), ev.RunStateChanged(760.0, "failed"), ev.Finished("failed", "emergency stop", "sessions/nc2")]

    async def main() -> None:
        for events in (planned(), stopped):
            app = MonitorApp(source(events))
            async with app.run_test(size=size) as pilot:
                await settled(pilot)
                for key in "123456":
                    await pilot.press(key)
                    await pilot.pause(2 * MonitorApp.refresh_s)
                    for strip in app.screen._compositor.render_strips():
                        assert not re.search("… [─╮╯]", strip.text), (key, strip.text)

    asyncio.run(main())


def test_no_number_of_a_state_is_cut_where_a_small_terminal_ends(source):
    volume = Estimate(146400.0, 400.0, {"pixel size": 5000.0})
    facts = {"particle": "NC2", "frames": 71, "planned": 71, "quality": "good", "simulated": True}
    state = StateResult(
        step="c00/NC2/tilt",
        state=0,
        heated_s=0.0,
        volume_nm3=volume.value,
        volume_with_errors_nm3=volume,
        alloying=Estimate(0.0, 0.001),
        **facts,
    )

    def rows(app, _):
        return [strip.text for strip in app.screen._compositor.render_strips()]

    for size in SIZES:
        drawn = in_sheet(source, "2", rows, [*planned()[:1], ev.ResultReceived(state)], size=size)
        (row,) = (text for text in drawn if "146400" in text and "NC2" in text)
        assert "146400 +- 5000 " in row and " 71/71 " in row


def test_a_terminal_too_small_for_panels_has_temperature_alloying_and_d(source):
    words = in_sheet(source, "1", lambda app, _: str(app.query_one("#brief", Static).render()), size=(60, 15))
    lines = in_sheet(source, "1", lambda app, _: str(app.query_one("#progress", Static).render()), size=(60, 15))
    assert "0:23:07 left" in lines
    assert len(lines) <= 60
    assert max(map(len, words.splitlines()[:3])) <= 60
    for needed in ("chip 450.0 C, set 450.0 C", "NC2 alloying 0.5512 +- 0.0041", "(2.414 +- 0.052)e-19 m2/s"):
        assert needed in words


def test_nothing_jumps_while_values_change(source):
    """A hundred updates move no panel, no title and no first letter of a line."""
    rng = random.Random(4)

    def where(app):
        titles = [(w.id, w.region, str(w.border_title).split(" ")[0]) for w in shown(app) if w.id != "brief"]
        lines = [str(app.query_one(f"#{name}", Static).render()).split(" ")[:2] for name in ("status", "progress")]
        return titles, lines

    async def main():
        app = MonitorApp(source(planned()))
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            before = where(app)
            for n in range(100):
                at_s = 740.0 + n
                app._take(ev.ChipReading(at_s, rng.uniform(25.0, 450.0), 450.0, 10.0))
                step = ev.StepProgress(
                    at_s, "c04/NC2/tilt", 9, 19, rng.randrange(72), 71, 1387.0 - n, rng.uniform(-70, 70)
                )
                app._take(step)
                app.redraw()
                await pilot.pause()
                assert where(app) == before, n

    asyncio.run(main())


def test_the_plan_tells_what_is_over_what_runs_and_when_the_rest_begins(source):
    rows = in_sheet(source, "4", lambda app, _: app.query_one("#plan-sheet", PlanTable)._rows)
    assert [r.when for r in rows] == ["over"] * 8 + ["now"] + ["left"] * 11
    assert rows[7].starts == rows[8].starts == ""
    # 1387 s are left, of which the steps to come take 5 x 20 + 6 x 180 s.
    assert [r.starts for r in rows[9:11]] == ["0:15:41", "0:18:41"]


@pytest.mark.parametrize(
    ("press", "sent"),
    [
        (("down", "s"), ["skip c04/NC2/tilt"]),
        (("down", "down", "s"), ["skip c05/heat"]),
        (("s",), []),
        (("up", "up", "s"), []),
        (("down", "down", "c", *"440", "space", *"60", "enter"), ["change c05/heat 440 60"]),
        (("down", "c"), []),
        (("down", "down", "c", "!"), ["stop"]),
        (("up", "up", "t"), ["repeat c03/heat"]),
        (("down", "t"), ["repeat c04/NC2/tilt"]),
    ],
)
def test_a_step_that_is_left_is_skipped_or_changed_from_the_plan(source, press, sent):
    assert in_sheet(source, "4", lambda _, told: told.commands, press=press) == sent


def test_a_step_that_is_skipped_is_taken_after_all(source):
    steps = tuple(ev.PlannedStep(s.step, s.words, s.takes_s, skipped=s.step == "c05/heat") for s in STEPS)
    given = [*planned(), ev.PlanTold(steps)]
    sent = in_sheet(source, "4", lambda _, told: told.commands, given, press=("down", "down", "s"))
    assert sent == ["unskip c05/heat"]


@pytest.mark.parametrize(
    ("press", "step", "number"),
    [
        ((), "c04", "5 of 5"),
        (("left",), "c03", "4 of 5"),
        (("left",) * 9, "c00", "1 of 5"),
        (("right",), "c04", "5 of 5"),
    ],
)
def test_arrows_go_through_the_states_beside_the_first(source, press, step, number):
    def look(app, _):
        return [str(app.query_one(f"#{name}", PicturePanel).border_title) for name in ("before", "chosen")]

    before, chosen = in_sheet(source, "3", look, size=(120, 40), press=press)
    assert "c00/NC2/tilt" in before
    assert f"{step}/NC2/tilt ({number})" in chosen


@pytest.mark.parametrize("nm_per_column", [0.013, 0.7, 3.1, 88.0])
@pytest.mark.parametrize("across", [9, 30, 100])
def test_a_scale_bar_is_as_long_as_it_says(nm_per_column, across):
    bar = scale_bar(nm_per_column, across, across + 20).plain
    if not bar:
        assert across < 10  # no round length of three columns fits into half of that
        return
    drawn, told = bar.strip().split(" ")[0], float(bar.split("┤")[1].removesuffix(" nm"))
    assert len(drawn) * nm_per_column == pytest.approx(told, abs=0.5 * nm_per_column)
    assert 0.15 * across < len(drawn) <= 0.5 * across + 1


def test_the_chip_is_drawn_as_it_is_planned_to_be_but_no_farther_than_its_past():
    session = WatchedSession()
    for event in planned():
        session.take(event)
    corners = forecast(session)
    times = [t for t, _ in corners]
    assert times == sorted(times)
    assert times[0] == session.time_s
    # Until the tilt series that runs is over 207 s pass; then each 20 s of heat come with 180 s of tilts after them.
    assert [(round(t), c) for t, c in corners[1:5]] == [(1121, 25.0), (1121, 450.0), (1136, 450.0), (1136, 25.0)]
    assert times[-1] <= session.time_s + 1.25 * 734.0 + 184.0
    for _ in range(3000):  # weeks of steps cost no more
        session.plan += (ev.PlannedStep("later", "tilt NC2", 180.0),)
    assert len(forecast(session)) <= 2 * len(corners)


def test_a_warning_that_comes_later_has_its_line_and_a_plan_that_is_changed_its_room(source):
    async def main():
        app = MonitorApp(source(planned()))
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            await pilot.press("4")
            app._take(ev.Log(750.0, "warning", "the analysis process ended (code 1); started again (1)"))
            longer = ev.PlannedStep("c05/heat", "heat 450 C 15000 s and all that", 15005.0, 450.0, 15000.0)
            app._take(ev.PlanTold(tuple(longer if s.step == "c05/heat" else s for s in STEPS)))
            app.redraw()
            await pilot.pause(2 * MonitorApp.refresh_s)
            alarm = app.query_one("#alarm", Static)
            assert alarm.display
            assert "started again (1)" in str(alarm.render())
            table = app.query_one("#plan-sheet", PlanTable)
            for name, width in (("what", len(longer.words)), ("takes", len("4:10:05"))):
                assert table.columns[next(k for k in table.columns if k.value == name)].get_render_width(table) >= width

    asyncio.run(main())


def test_states_of_the_particle_that_is_shown_are_gone_through(source):
    """Particles are visited to and fro: c00 A, B, c01 B, A."""
    facts = {"frames": 71, "shape": (2, 2), "pixels": b"1234"}
    given = [
        ev.ResultReceived(Preview(step=f"{step}/tilt", particle=step[-1], **facts))
        for step in ("c00/A", "c00/B", "c01/B", "c01/A")
    ]

    def title(press):
        look = lambda app, _: str(app.query_one("#chosen", PicturePanel).border_title)  # noqa: E731
        return in_sheet(source, "3", look, given, press=press)

    assert "c01/A" in title(())
    assert "c00/A" in title(("left",))
    assert "c01/B" in title(("down",))
    assert "c00/B" in title(("down", "left"))


@pytest.mark.parametrize(
    ("watches", "reason", "told"), [(True, "done", False), (False, "completed", False), (False, "failed", True)]
)
def test_only_what_can_go_on_is_told_to(source, watches, reason, told):
    began = ev.Started("NC2", "sessions/nc2", False, ("NC2",), 19, watches=watches)
    given = [*planned()[1:], began, ev.Finished(reason, "", "sessions/nc2")]
    words = in_sheet(source, "1", lambda app, _: str(app.query_one("#next", Static).render()), given)
    assert ("alloyscope resume sessions/nc2" in words) is told
    assert "alloyscope report sessions/nc2" in words


LONG = "heated to 450 C (+- 2.3 C by the chip's calibration, 11 % of D) for 15 s, quenched" + ", and then once more" * 8


@pytest.mark.parametrize("shown", ["2", "5"], ids=["while neither log is shown", "while the other log is shown"])
def test_what_was_told_of_another_sheet_is_broken_where_the_log_ends(source, shown):
    async def main() -> None:
        app = MonitorApp(source(planned()))
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot)
            await pilot.press(shown)
            await settled(pilot)
            app._say(LONG)
            await pilot.press("1")
            await settled(pilot)
            log = app.query_one("#log")
            await widths_follow(pilot, log)
            await pilot.resize_terminal(160, 45)
            await settled(pilot)
            await widths_follow(pilot, log)
            await pilot.press("5")
            await settled(pilot)
            await widths_follow(pilot, app.query_one("#log-sheet"))

    async def widths_follow(pilot, log) -> None:
        last = " ".join(line.text.strip() for line in log.lines)
        assert last.endswith(LONG), last
        widths = [len(line.text.rstrip()) for line in log.lines]
        assert log.size.width - 15 < max(widths) <= log.size.width, (widths, log.size)

    asyncio.run(main())
