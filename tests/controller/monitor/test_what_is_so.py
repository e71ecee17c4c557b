"""The screen never says what is not so: ages, gaps, ends, alarms, and who is asked before a stop."""

import asyncio
import re
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from textual.widgets import Static

from analysis.results import Diffusivity, DiffusivityResult, Preview, StateResult
from controller import events as ev
from controller.monitor.app import MonitorApp
from controller.monitor.panels.chip import gaps_in
from controller.monitor.panels.picture import PicturePanel, half_blocks
from controller.monitor.panels.plot import CLOCK, Curve, Plot, draw
from controller.monitor.state import WatchedSession
from tests.controller.monitor.test_monitor import settled, story, words


def watched(app: MonitorApp) -> WatchedSession:
    return app._session


def on_screen(source, events, look, size=(80, 24), press=()):
    """Let a screen hear of events, press keys, and give what `look` sees."""

    async def main():
        told = source(events)
        app = MonitorApp(told)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            for key in press:
                await pilot.press(key)
            await settled(pilot)
            return look(app, told)

    return asyncio.run(main())


def test_a_curve_breaks_where_nothing_is_known():
    x = [*range(50), *range(150, 200)]
    assert gaps_in([float(v) for v in x]) == {49}
    breaks = (frozenset[int](), frozenset({49}))
    whole, broken = (draw([Curve(x, [5.0] * 100, "white", breaks=b)], 44, 6, "s", (0.0, 10.0)) for b in breaks)

    def drawn(text):
        return sum(c > chr(0x2800) for row in text.plain.splitlines()[:-1] for c in row[4:])

    assert drawn(whole) == 40
    assert 18 <= drawn(broken) <= 22


def test_what_is_dashed_is_seen_wherever_and_however_steep_it_is():
    for begins in range(8):
        for slope in (0.0, 0.5, 1.0, 2.0):
            x = [0.0, float(begins), float(begins) + 20.0, 79.0]
            y = [0.0, 0.0, min(20.0, 20.0 * slope), 20.0]
            text = draw([Curve(x, y, "white", dashed=True)], 44, 6, "s", (0.0, 20.0))
            assert sum(c > chr(0x2800) for row in text.plain.splitlines()[:-1] for c in row[4:]) > 15, (begins, slope)


def test_what_is_dashed_is_not_whole_and_points_have_their_marks():
    line, dashed = (draw([Curve([0, 9], [1, 1], "white", dashed=d)], 44, 6, "s", (0.0, 2.0)) for d in (False, True))
    assert dashed.plain != line.plain
    points = draw(
        [Curve([0, 9], [1, 1], "cyan", joined=False), Curve([4], [1], "cyan", joined=False, mark="◆")], 44, 6, "s"
    )
    assert points.plain.count("●") == 2
    assert points.plain.count("◆") == 1


def test_axes_of_time_say_hours_and_minutes():
    text = draw([Curve([568.5, 7268.0], [1, 2], "white")], 60, 6, CLOCK)
    assert "0:09:28" in text.plain
    assert text.plain.rstrip().endswith("2:01:08")


def test_a_picture_is_binned_not_sampled():
    noise = np.random.default_rng(0).normal(128, 40, (120, 120)).clip(0, 255).astype(np.uint8)
    text = half_blocks(noise, 20, 10)
    greys = [int(str(s.style).split("(")[1].split(",")[0]) for s in text.spans for _ in range(s.end - s.start)]
    assert np.std(greys) < 40 / 5  # 36 pixels in each of the screen's


def test_an_old_reading_says_how_old_it_is():
    now = [0.0]
    session = WatchedSession(now=lambda: now[0])
    list(session.take(ev.ChipReading(10.0, 450.0, 450.0, None)))
    assert session.age_in_words() == ""
    now[0] = 12.0
    assert session.age_in_words() == ", 12 s ago"
    list(session.take(ev.ChipReading(13.0, 47.0, 25.0, None)))
    list(session.take(ev.Finished("failed", "emergency stop", "")))
    now[0] = 500.0
    assert session.age_in_words() == ", at the end (0:00:13)"


def test_a_reading_does_not_age_while_a_dry_runs_clock_stands():
    now = [0.0]
    session = WatchedSession(now=lambda: now[0])
    list(session.take(ev.Started("NC2", "sessions/nc2", True, ("NC2",), 19)))
    list(session.take(ev.ChipReading(10.0, 25.0, 25.0, None)))
    now[0] = 40.0
    assert session.age_in_words() == ""
    list(session.take(ev.StepProgress(22.0, "c00/NC2/tilt", 1, 19, 3, 71, 100.0, 0.0, {})))
    assert session.age_in_words() == ", 12 s ago", "its clock went on, and no reading came"
    session.quiet = True
    assert session.age_in_words() == ", 40 s ago", "nothing is heard of it any more"
    session.quiet = False
    list(session.take(ev.Started("NC2", "sessions/nc2", True, ("NC2",), 19, real_time=True)))
    assert session.age_in_words() == ", 40 s ago"


@pytest.mark.parametrize(("kind", "said"), [("tilt", "no EDX map is in this"), ("edx", "no EDX map yet")])
def test_a_sheet_without_a_map_says_why(source, kind, said):
    plan = ev.PlanTold((ev.PlannedStep(f"c00/NC2/{kind}", "NC2", 60.0),))

    def look(app, _):
        panel = app.query_one("#maps-large").query_one("#map-0", PicturePanel)
        across = app.query_one("#maps-large").size.width == app.size.width
        return panel.render().plain.replace("\n", " "), app.query_one("#edx-large #spectrum").display, across

    words, plotted, across = on_screen(source, [*story()[:1], plan], look, press=("6",))
    assert said in words
    assert not plotted and across


def test_no_temperature_is_said_to_have_no_error(source):
    for std_c, wanted in ((2.3, "25.0 +- 2.3 C"), (0.02, "chip 25.0 C, set"), (0.0, "chip 25.0 C, set")):
        reading = ev.ChipReading(734.0, 25.0, 25.0, None, std_c)
        assert wanted in on_screen(source, [*story(), reading], lambda app, _: words(app))


def test_time_left_falls_while_a_step_lasts_and_stands_in_a_pause():
    session = WatchedSession()
    list(session.take(ev.StepProgress(100.0, "c01/heat", 2, 9, 0, 0, 7612.0)))
    list(session.take(ev.ChipReading(1300.0, 450.0, 450.0, None)))
    assert session.left_s == pytest.approx(7612.0 - 1200.0)
    list(session.take(ev.RunStateChanged(1300.0, "paused")))
    assert session.left_s == pytest.approx(7612.0)


def test_the_first_line_says_whether_all_is_well(source):
    well = [e for e in story() if not isinstance(e, ev.Log)]
    assert "all well" in on_screen(source, well, lambda app, _: words(app))

    def look(app, _):
        return words(app), app.query_one("#alarm", Static).display

    waits = ev.StepProgress(734.0, "c04/NC2/tilt", 9, 19, 71, 71, 1387.0, 0.0, waits=True)
    assert "all well; the plan waits for the analysis" in on_screen(source, [*well, waits], lambda app, _: words(app))
    shown, alarm = on_screen(source, story(), look)
    assert "1 warning, x: seen" in shown
    assert alarm
    shown, alarm = on_screen(source, story(), look, press="x")
    assert "all well" in shown
    assert not alarm


def test_what_comes_next_what_it_costs_and_how_far_behind_the_analysis_is(source):
    told = [e for e in story() if not isinstance(e, ev.StepProgress | ev.Started)]
    began = ev.Started("NC2, 450 C", "sessions/nc2", True, ("NC2",), 19, {"NC2": 1.04e6}, real_time=True)
    following = ("heat 450 C 30 s", "tilt NC2")
    progress = ev.StepProgress(
        734.0, "c04/NC2/tilt", 9, 19, 35, 71, 1387.0, 0.0, {"NC2": 6.2e5}, {}, following, recorded=4
    )

    def look(app, _):
        return str(app.query_one("#next", Static).render())

    shown = on_screen(source, [began, progress, *told], look, size=(120, 40))
    assert shown.startswith(" next heat 450 C 30 s, then tilt NC2")
    assert "dose 0.62/1.04 Me/nm2" in shown
    assert "analysis 1/4" in shown
    (ends,) = re.findall(r"ends (?:\w{3} )?(\d\d:\d\d)", shown)  # of another day, it says which
    wanted = datetime.now().astimezone() + timedelta(seconds=1387.0)
    assert ends in {(wanted + timedelta(minutes=m)).strftime("%H:%M") for m in (-1, 0, 1)}
    narrow = on_screen(source, [began, progress, *told], look)
    assert narrow.startswith(" next heat 450 C 30 s  ends")
    assert len(narrow) <= 80
    assert narrow.endswith("dose 0.62/1.04 Me/nm2  analysis 1/4")
    over = on_screen(source, [began, progress, *told, ev.RunStateChanged(740.0, "done")], look, size=(120, 40))
    assert "next" not in over
    assert "ends" not in over
    assert "analysis 1/4" in over


def test_who_comes_late_has_a_slice_of_each_state():
    events = ev.Events()
    for step, frames in (("c00/A/tilt", 10), ("c00/A/tilt", 71), ("c01/A/tilt", 10), ("c02/A/tilt", 20)):
        picture = {"shape": (2, 2), "pixels": b"1234"}
        events.tell(ev.ResultReceived(Preview(step=step, particle="A", frames=frames, **picture)))
    session = WatchedSession()
    for event in events.memory():
        list(session.take(event))
    assert [(s.step, s.frames) for s in session.slices_of("A")] == [
        ("c00/A/tilt", 71),
        ("c01/A/tilt", 10),
        ("c02/A/tilt", 20),
    ]
    assert (session.preview.step, session.preview.frames) == ("c02/A/tilt", 20)


def test_the_first_slice_stands_beside_the_newest(source):
    _, x = np.indices((64, 64))
    left, right = ((255 * ((x < 32) == first)).astype(np.uint8) for first in (True, False))
    before, now = (
        ev.ResultReceived(Preview(step=step, particle="NC2", frames=71, shape=p.shape, pixels=p.tobytes()))
        for step, p in (("c00/NC2/tilt", left), ("c04/NC2/tilt", right))
    )

    def look(app, _):
        return app.query_one("#slice").render(), str(app.query_one("#slice").border_title)

    wide, title = on_screen(source, [before, now], look, size=(160, 48))
    assert title == "slice: first, now"
    first_row = next(line for line in wide.split("\n") if line.plain.strip())
    bright = [str(span.style).startswith("rgb(253,231,37)") for span in first_row.spans]
    changes = [(a, b) for a, b in pairwise(bright) if a != b]
    assert changes == [(True, False), (False, True)]
    assert on_screen(source, [before, now], look, size=(60, 24))[1] == "orthoslice"
    alone, _ = on_screen(source, [before], look, size=(160, 48))
    assert alone.plain != wide.plain


def test_a_session_that_is_over_has_no_time_left_and_is_not_silent(source):
    class Silent(source):
        async def events(self):
            for event in self.given:
                yield event
            yield None
            self.told.set()
            await asyncio.Event().wait()

    over = [*story(), ev.RunStateChanged(740.0, "done")]
    shown = on_screen(Silent, over, lambda app, _: words(app))
    assert "the analysis goes on" in shown
    assert "no news" not in shown
    assert " left" not in shown
    failed = [*over, ev.Finished("failed", "emergency stop", "")]
    shown = on_screen(Silent, failed, lambda app, _: words(app))
    assert shown.startswith(" failed ")
    assert "q leaves" in shown


def test_a_click_on_the_stop_is_asked_once_more_and_its_key_is_not(source):
    async def main() -> None:
        told = source(story())
        app = MonitorApp(told)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            await pilot.click("#stop")
            await settled(pilot)
            assert told.commands == []
            assert "click again" in words(app)
            await pilot.click("#stop")
            await settled(pilot)
            assert told.commands == ["stop"]
            await pilot.press("!")
            await settled(pilot)
            assert told.commands == ["stop", "stop"]

    asyncio.run(main())


def test_every_particle_and_temperature_has_a_line_of_its_own(source):
    results = [e.result for e in story() if isinstance(e, ev.ResultReceived)]
    (state,) = (r for r in results if isinstance(r, StateResult))
    (fit,) = (r for r in results if isinstance(r, DiffusivityResult))
    both = (Diffusivity(400.0, 2.6e-20, 1e-21), *fit.diffusivities)
    more = [
        ev.ResultReceived(msgspec.structs.replace(fit, diffusivities=both)),
        ev.ResultReceived(msgspec.structs.replace(fit, particle="B")),
        ev.ResultReceived(msgspec.structs.replace(state, step="c03/B/tilt", particle="B")),
        ev.ResultReceived(
            msgspec.structs.replace(state, step="c04/B/tilt", particle="B", alloying=replaced(state.alloying, 1.0236))
        ),
    ]

    def look(app, _):
        return str(app.query_one("#results", Static).render()).splitlines(), app.query_one("#alloying", Plot)

    lines, plot = on_screen(source, [*story(), *more], look)
    for start in ("NC2 D(400 C)", "NC2 D(450 C)", "B D(450 C)", "NC2 alloying", "B alloying 1.0236"):
        assert sum(line.startswith(start) for line in lines) == 1, start
    assert any("above 1 by more than its error" in line for line in lines)
    assert "● NC2" in plot.border_subtitle
    assert "◆ B" in plot.border_subtitle


def replaced(estimate, value: float):
    return msgspec.structs.replace(estimate, value=value, std=0.0033)


def test_nothing_jumps_while_values_change(source):
    """Labels stay where they are through a hundred updates."""
    rng = np.random.default_rng(1)

    async def main() -> None:
        app = MonitorApp(source(story()))
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            places = {w.id: w.region for w in app.query("#status, #progress, Plot, PicturePanel, #log, #stop")}
            session = watched(app)
            progress = session.progress
            for _ in range(100):
                temperature_c = float(rng.uniform(20.0, 700.0))
                app._take(ev.ChipReading(735.0, temperature_c, temperature_c, 10.0, 2.3))
                app._take(
                    msgspec.structs.replace(progress, left_s=float(rng.uniform(0.0, 9e4)), part=int(rng.integers(71)))
                )
                app._changed = True
                app.redraw()
            await settled(pilot)
            assert {w.id: w.region for w in app.query("#status, #progress, Plot, PicturePanel, #log, #stop")} == places

    asyncio.run(main())


def test_a_note_is_asked_for_and_sent_and_may_be_left(source):
    async def main() -> None:
        told = source(story())
        app = MonitorApp(told)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            await pilot.press("n", *"beside", "space", "a", "space", *"grain", "escape")
            await settled(pilot)
            assert told.commands == []
            await pilot.press("n", *"two", "space", *"grains", "enter")
            await settled(pilot)
            assert told.commands == ["note two grains"]
            assert "note two grains done" in words(app)
            await pilot.press("n", "enter")
            await settled(pilot)
            await pilot.press("n", "!")
            await settled(pilot)
            assert told.commands == ["note two grains", "stop"]
            assert len(app.screen_stack) == 1

    asyncio.run(main())


def test_the_footer_shows_what_may_be_done(source):
    def keys(app, _) -> set[str]:
        return {binding.key for _, binding, enabled, _ in app.screen.active_bindings.values() if enabled}

    usual = on_screen(source, story(), keys)
    assert {"p", "a", "n", "x"} <= usual
    assert not {"h", "r", "s", "c"} & usual
    paused = on_screen(source, [*story()[:-1], ev.RunStateChanged(740.0, "paused")], keys)
    assert {"r", "a"} <= paused
    assert not {"p", "x"} & paused
    over = on_screen(source, [*story(), ev.RunStateChanged(740.0, "done")], keys)
    assert not {"p", "r", "a", "n", "h"} & over
    assert {"q", "d"} <= over
    began = ev.Started("NC2, 450 C", "sessions/nc2", False, ("NC2",), 19, watches=True)
    watching = on_screen(source, [e for e in story() if not isinstance(e, ev.Started)] + [began], keys)
    assert {"a", "n", "h"} <= watching
    assert not {"p", "r"} & watching


def test_a_pulse_given_by_hand_is_told_by_a_key(source):
    began = ev.Started("NC2, 450 C", "sessions/nc2", False, ("NC2",), 19, watches=True)
    press = ("h", *"450", "space", *"15", "enter")
    assert on_screen(source, [began], lambda _, told: told.commands, press=press) == ["heat 450 15"]
