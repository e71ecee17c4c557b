"""The screen as a person uses it, driven by Textual's pilot."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import numpy as np
import pytest
from textual.widgets import RichLog, Static

from analysis.results import (
    Arrhenius,
    Diffusivity,
    DiffusivityResult,
    EdxResult,
    Estimate,
    IntervalDiffusivity,
    Preview,
    Provisional,
    StateResult,
    WindowOffset,
)
from controller import events as ev
from controller.monitor.app import MonitorApp
from controller.monitor.panels.plot import Plot


def story() -> list[ev.Event]:
    y, x = np.indices((64, 64))
    ball = (255 * np.exp(-((y - 32) ** 2 + (x - 32) ** 2) / 300)).astype(np.uint8)
    seconds, degree = (15.0, 30.0, 60.0, 120.0), (0.15, 0.24, 0.37, 0.55)
    curve_s = tuple(float(s) for s in np.linspace(0, 120, 40))
    return [
        ev.Started("NC2, 450 C", "sessions/nc2", True, ("NC2",), 19),
        ev.RunStateChanged(0.0, "running"),
        *(
            ev.ChipReading(0.5 * i, 450.0 if i % 40 > 20 else 25.0, 450.0 if i % 40 > 20 else 25.0, 10.0)
            for i in range(200)
        ),
        ev.StepProgress(734.0, "c04/NC2/tilt", 9, 19, 35, 71, 1387.0, 0.0),
        ev.Picture("c04/NC2/tilt", 0.0, ball.shape, ball.tobytes(), 35),
        ev.ResultReceived(
            Preview(step="c04/NC2/tilt", particle="NC2", frames=36, shape=ball.shape, pixels=ball.tobytes())
        ),
        ev.ResultReceived(
            StateResult(
                step="c03/NC2/tilt",
                particle="NC2",
                state=3,
                heated_s=120.0,
                frames=71,
                planned=71,
                alloying=Estimate(0.5512, 0.0041),
                volume_nm3=148000.0,
                quality="good",
                simulated=True,
            )
        ),
        ev.ResultReceived(
            DiffusivityResult(
                particle="NC2",
                states=4,
                diffusivities=(Diffusivity(450.0, 2.414e-19, 5.2e-21),),
                heated_s=seconds,
                measured=tuple(Estimate(d, 0.02) for d in degree),
                curve_s=curve_s,
                curve=tuple(0.05 * s**0.5 for s in curve_s),
                quality="good",
                simulated=True,
            )
        ),
        ev.Log(700.0, "warning", "the analysis process ended (code -9); started again (1)"),
    ]


def words(app: MonitorApp) -> str:
    log = "\n".join(line.text for line in app.query_one("#log", RichLog).lines)
    parts = [str(app.query_one(f"#{name}", Static).render()) for name in ("status", "progress", "results")]
    titles = [str(app.query_one(f"#{name}").border_title) for name in ("temperature", "alloying", "frame", "slice")]
    return "\n".join([*parts, *titles, log])


async def settled(pilot) -> None:
    """Wait until a screen knows all that its source tells, and nothing on it moves any more."""
    await pilot.app._source.told.wait()
    before = ""
    for _ in range(100):
        await pilot.pause(1.5 * pilot.app.refresh_s)
        if (now := pilot.app.export_screenshot()) == before:
            return
        before = now
    pytest.fail("the screen never comes to rest")


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
def test_state_temperature_tilt_progress_and_d_are_on_the_screen(source, size):
    async def main() -> None:
        app = MonitorApp(source(story()))
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            shown = words(app)
            for needed in ("running", "SIMULATED", "35/71", "0:23:07 left", "chip 450.0 C, set 450.0 C"):
                assert needed in shown
            for needed in ("(2.414 +- 0.052)e-19 m2/s", "0.5512 +- 0.0041", "started again"):
                assert needed in shown
            for widget in app.query("#status, #progress, #results, #log, Plot, PicturePanel"):
                if not all(node.display for node in widget.ancestors_with_self):
                    continue
                region = widget.region
                assert region.right <= size[0]
                assert region.bottom <= size[1]
                assert widget.size.width >= 12
                assert widget.size.height >= 1
            for name in ("status", "progress"):
                text = app.query_one(f"#{name}", Static).render()
                assert len(str(text)) <= size[0], f"{name} is cut off"
            results = app.query_one("#results", Static)
            lines = str(results.render()).splitlines()
            assert max(map(len, lines)) <= results.size.width
            assert len(lines) <= results.size.height

    asyncio.run(main())


def test_a_running_series_shows_its_degree_so_far_and_then_its_own(source):
    so_far = Provisional(
        step="c04/NC2/tilt", particle="NC2", frames=30, alloying=Estimate(0.612, 0.011), simulated=True
    )
    (state,) = (e.result for e in story() if isinstance(e, ev.ResultReceived) and isinstance(e.result, StateResult))
    done = msgspec.structs.replace(state, step="c04/NC2/tilt", alloying=Estimate(0.6093, 0.0035))

    async def main() -> None:
        for given, wanted in (
            ([], "0.612 +- 0.011, 30 tilts"),
            ([ev.ResultReceived(done)], "alloying 0.6093 +- 0.0035"),
        ):
            app = MonitorApp(source([*story(), ev.ResultReceived(so_far), *given]))
            async with app.run_test(size=(80, 24)) as pilot:
                await settled(pilot)
                assert wanted in words(app)
                results = app.query_one("#results", Static)
                lines = str(results.render()).splitlines()
                assert max(map(len, lines)) <= results.size.width
                assert len(lines) <= results.size.height

    asyncio.run(main())


def test_a_map_shows_its_elements_spectrum_profile_and_composition_as_it_grows(source):
    energies_kev = 0.02 * np.arange(512)
    peaks = [n * np.exp(-(((energies_kev - e) / 0.05) ** 2)) for n, e in ((900.0, 0.28), (400.0, 2.12), (250.0, 2.98))]
    ball = (200 * (np.hypot(*(np.indices((32, 32)) - 15.5)) < 9)).astype(np.uint8).tobytes()
    profile = {
        "radius_nm": [0.25, 0.75, 1.25],
        "fractions": {"Ag": [0.49, 0.5, 0.58], "Au": [0.51, 0.5, None]},
        "std": {"Ag": [0.01, 0.01, 0.03], "Au": [0.01, 0.01, None]},
        "statement": "the surface has more Ag",
    }
    found = EdxResult(
        step="c05/NC2/edx",
        particle="NC2",
        tilt_deg=0.0,
        heated_c=300.0,
        heated_s=7200.0,
        frames=28,
        planned=100,
        final=False,
        composition_at_pct={"Ag": Estimate(50.14, 0.25), "Au": Estimate(49.86, 0.25)},
        drift_nm=2.0,
        report={"energies_kev": {"Ag_La": 2.98, "Au_Ma": 2.12}, "profile": profile},
        details=(),
        spectrum=tuple(np.sum(peaks, axis=0).tolist()),
        offset_kev=0.0,
        channel_kev=0.02,
        picture_shape=(32, 32),
        pictures={"HAADF": ball, "Ag_La": ball, "Au_Ma": ball},
        quality="good",
        simulated=True,
        analysis_s=0.2,
    )

    async def main() -> None:
        for size in ((80, 24), (150, 44)):
            app = MonitorApp(source([*story(), ev.ResultReceived(found)]))
            async with app.run_test(size=size) as pilot:
                await settled(pilot)
                assert "after 300 C: Ag 50.14 +- 0.25 at%" in words(app)
                titles = [panel.border_title for panel in app.query("#maps PicturePanel") if panel.display]
                assert titles == ["HAADF", "Ag_La", "Au_Ma"]
                spectrum, profiles = app.query_one("#edx #spectrum", Plot), app.query_one("#edx #profile", Plot)
                # The tallest of the lines asked for, not carbon's, fills the picture.
                assert spectrum._y_range == pytest.approx((0.0, 520.0), rel=0.02)
                assert spectrum.curves[0].x[-1] == pytest.approx(3.98, abs=0.03)
                assert [len(c.x) for c in profiles.curves] == [3, 2]
                assert profiles.curves[0].std == pytest.approx([1.0, 1.0, 3.0])
                assert not app.query_one("#pictures").display
                for sheet in ("alloying", "arrhenius", "edx"):
                    await pilot.press("d")
                    await settled(pilot)
                    shown = [n for n in ("alloying", "arrhenius", "edx") if app.query_one(f"#{n}").display]
                    assert shown == [sheet]

    asyncio.run(main())


def test_d_over_1_t_takes_the_place_of_the_alloying_curve(source):
    def steps(window: str, factor: float) -> DiffusivityResult:
        return DiffusivityResult(
            particle=window,
            window=window,
            states=4,
            diffusivities=(Diffusivity(430.0, factor * 8e-20, 1e-21),),
            heated_s=(120.0,),
            measured=(Estimate(0.3, 0.01),),
            by_interval=tuple(
                IntervalDiffusivity(t, 0.0, 120.0, factor * 2.6e-20 * np.exp(0.055 * (t - 400)), 1e-21)
                for t in (400.0, 410.0, 420.0, 430.0)
            ),
            curve_s=(0.0, 120.0),
            curve=(0.0, 0.3),
            quality="good",
            simulated=True,
        )

    together = Arrhenius(
        q_j_per_mol=Estimate(208e3, 4e3),
        d0_m2_per_s=Estimate(3.6e-4, 1e-4),
        reference="centre",
        offsets_c={"edge": WindowOffset(-34.0, 0.8, -34.8, -33.2, 40.0)},
        misfit=1.0,
        simulated=True,
    )
    told = [
        *story(),
        ev.ResultReceived(steps("centre", 1.0)),
        ev.ResultReceived(steps("edge", 0.14)),
        ev.ResultReceived(together),
    ]

    async def main() -> None:
        app = MonitorApp(source(told))
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot)
            assert "window edge is 34.00 +- 0.80 C colder than centre; 40.0 sigma" in words(app)
            assert not app.query_one("#arrhenius").display
            await pilot.press("d")
            await settled(pilot)
            plot = app.query_one("#arrhenius", Plot)
            assert plot.display
            assert not app.query_one("#alloying").display
            assert plot.size.width >= 40
            assert sum(c > "⠀" for c in plot.render().plain) > 40
            # The lines go through the points: no D is off its window's law.
            for line, points in zip(plot.curves[::2], plot.curves[1::2], strict=True):
                np.testing.assert_allclose(line.y, points.y, atol=0.1)

    asyncio.run(main())


def test_keys_act_and_abort_is_asked_once_more(source):
    async def main() -> None:
        told = source(story())
        app = MonitorApp(told)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            await pilot.press("r", "p")
            app._take(ev.RunStateChanged(740.0, "pausing"))
            await pilot.press("p", "r")
            await pilot.press("a")
            await settled(pilot)
            assert "press a again" in words(app)
            assert "abort" not in told.commands
            await pilot.press("a")
            await pilot.press("!")
            await settled(pilot)
            assert told.commands == ["pause", "resume", "abort", "stop"]
            assert "stop done" in words(app)
            await pilot.press("q")

    asyncio.run(main())


def test_silence_of_the_session_is_said(source):
    class Silent(source):
        async def events(self) -> AsyncIterator[ev.Event | None]:
            for event in self.given:
                yield event
            yield None
            self.told.set()
            await asyncio.Event().wait()

    async def main() -> None:
        app = MonitorApp(Silent(story()))
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            assert "no news" in words(app)

    asyncio.run(main())
