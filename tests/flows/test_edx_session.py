"""EDX maps in a session, from the twin's photons to the screen and back from the recording."""

import asyncio
import json
from dataclasses import replace

import pytest

from analysis.reanalysis.offline import analyse
from analysis.results import EdxResult
from controller import events as ev
from controller.engine import FinishReason, RunState
from controller.plan.check import checked_session
from drivers.errors import ConfigError, DeviceError, InterlockTripped
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import records_of
from drivers.recorded.records import SeriesEnded
from drivers.recorded.step_file import read_step
from simulators.edx_detector import SimulatedEdxDetector
from tests.command import alloyscope
from tests.flows.recording import Recording, session_in

EDX = """
[edx]
backend = "simulated"
lines = ["Ag_La", "Au_Ma"]
k = ["Ag_La/Au_Ma=1.44:0.01"]
pixel_nm = 0.5
shape = [32, 32]
dwell_us = 4000.0
frames = 12
"""
PLAN = """
[[plan]]
kind = "edx-map"

[[plan]]
kind = "pulses"
temperature_c = 300.0
durations_s = [7200.0]
after_each = "edx-map"
"""
ONE_MAP = '\n[[plan]]\nkind = "edx-map"\n'
OF_PAPER_000 = {
    'specimen = "NC2"': 'specimen = "AgAu", name = "NC2"',
    "current_pa = 400.0": "current_pa = 50.0",
    "pixel_nm = 2.0": "pixel_nm = 0.5",
    "shape = [48, 48]": "shape = [96, 96]",
}


@pytest.fixture
def edx_session(session_file):
    """A session file that takes EDX maps of Moreira et al.'s (Small 2024) particle before and after 2 h at 300 C."""

    def write(more: str = "", plan: str = PLAN, edx: str = EDX):
        path = session_file(**OF_PAPER_000)
        text = path.read_text()
        path.write_text(text[: text.index("[[plan]]")].replace("[scan]", edx + more + "\n[scan]") + plan)
        return path

    return write


def maps_of(session) -> list[EdxResult]:
    return [r for r in session.results if isinstance(r, EdxResult)]


def final_maps(run: Recording) -> list[EdxResult]:
    told = [e.result for e in run.heard if isinstance(e, ev.ResultReceived)]
    return [r for r in told if isinstance(r, EdxResult) and r.final]


def test_maps_before_and_after_heat_live_and_from_the_recording(edx_session, tmp_path, recorded):
    run = recorded(edx_session(), tmp_path / "s")
    heard = run.heard
    assert run.reason is FinishReason.COMPLETED
    before, after = final_maps(run)
    assert (before.step, after.step) == ("c00/NC2/edx", "c01/NC2/edx")
    assert (before.heated_c, after.heated_c) == (None, 300.0)
    for found in (before, after):
        silver = found.composition_at_pct["Ag"]
        assert abs(silver.value - 50.0) < 3.0 * silver.total + 0.5
        assert found.frames == found.planned == 12
        assert found.simulated
    profile = after.report["profile"]
    rise, std = (profile[k]["Ag"] for k in ("surface", "surface_std"))
    assert rise - profile["core"]["Ag"] > 3.0 * std
    assert "more Ag" in profile["statement"]
    first = before.report["profile"]
    assert abs(first["surface"]["Ag"] - first["core"]["Ag"]) < 3.0 * first["surface_std"]["Ag"] + 0.01
    shown = [e.result for e in heard if isinstance(e, ev.ResultReceived) and isinstance(e.result, EdxResult)]
    growing = [r.frames for r in shown if r.step == "c00/NC2/edx" and not r.final]
    assert growing == sorted(set(growing))
    assert set(growing) <= set(range(1, 13))  # frames that come faster than they are looked at are told of together
    told = run.told["particles"]["NC2"]["edx"]
    assert [m["composition_at_pct"]["Ag"] for m in told] == [
        pytest.approx(m.composition_at_pct["Ag"].value) for m in (before, after)
    ]
    again = analyse(tmp_path / "s", lambda _: None)["particles"]["NC2"]["edx"]
    assert again == told
    dose = run.told["ledger"]["NC2"]["dose_e_per_nm2"]
    assert dose == pytest.approx(2 * 12 * 50.0 * 4e-3 * 6.2415e6 / 0.25, rel=1e-2)


@pytest.mark.parametrize("plan", [ONE_MAP, pytest.param(PLAN, marks=pytest.mark.slow)], ids=["one", "two"])
def test_a_map_ends_when_its_composition_is_known_well_enough(edx_session, tmp_path, plan):
    """And in a dry run always after the same frame."""
    runs = []
    for name in ("a", "b"):
        session, clock = session_in(edx_session("sigma_at_pct = 0.6", plan), tmp_path / name)
        assert clock.run(session.run()) is FinishReason.COMPLETED
        runs.append(maps_of(session))
    assert [len(maps) for maps in runs] == 2 * [plan.count("edx-map")]
    assert [m.frames for m in runs[0]] == [m.frames for m in runs[1]]
    for found in runs[0]:
        assert 1 < found.frames < found.planned
        assert found.known_at_pct <= 0.6


def test_a_pause_takes_hold_between_two_frames_with_the_beam_off(edx_session, tmp_path):
    asked, at_pause = [], []

    def hear(event: ev.Event) -> None:
        if isinstance(event, ev.StepProgress) and event.part == 5 and not asked:
            asked.append(session.engine.pause())
        if isinstance(event, ev.RunStateChanged) and event.state == RunState.PAUSED:
            at_pause.append(session.instruments.microscope.current_pa)
            session.engine.resume()

    session, clock = session_in(edx_session(plan=ONE_MAP), tmp_path / "s", hear)
    assert clock.run(session.run()) is FinishReason.COMPLETED
    assert at_pause == [0.0]
    assert [m.frames for m in maps_of(session)] == [12]


def test_an_abort_within_a_map_keeps_its_frames(edx_session, tmp_path):
    def hear(event: ev.Event) -> None:
        if isinstance(event, ev.StepProgress) and event.part == 5:
            session.engine.abort("enough")

    session, clock = session_in(edx_session(), tmp_path / "s", hear)
    assert clock.run(session.run()) is FinishReason.ABORTED
    (end,) = [r.mark for r in records_of(tmp_path / "s", SeriesEnded)]
    assert (end.frames, end.planned, end.what) == (5, 12, "edx-map")
    (found,) = maps_of(session)
    assert found.frames == 5


def test_an_emergency_stop_within_a_map_never_lets_the_beam_on_again(edx_session, tmp_path):
    on = []

    def hear(event: ev.Event) -> None:
        if isinstance(event, ev.StepProgress) and event.part == 5 and not on:
            microscope = session.instruments.microscope
            unblanked = microscope.set_beam_blank

            async def watched(blanked: bool) -> None:
                on.append(not blanked)
                await unblanked(blanked)

            microscope.set_beam_blank = watched
            stops.append(asyncio.ensure_future(session.command("stop")))

    stops: list[asyncio.Future[str]] = []
    session, clock = session_in(edx_session(), tmp_path / "s", hear)
    with pytest.raises(InterlockTripped):
        clock.run(session.run())
    assert stops[0].result() == "emergency stop: the chip is off, the beam is blanked"
    assert not any(on)
    assert session.instruments.microscope.current_pa == 0.0
    (end,) = [r.mark for r in records_of(tmp_path / "s", SeriesEnded)]
    assert end.frames in (5, 6)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (lambda scan: replace(scan, x_rays=None), "without X-rays"),
        (lambda scan: replace(scan, x_rays=replace(scan.x_rays, beam_kev=0.0)), "beam energy of 0 keV"),
        (lambda scan: replace(scan, x_rays=replace(scan.x_rays, channels=2**30)), "more than 32 bits"),
        (lambda scan: replace(scan, x_rays=replace(scan.x_rays, channels=2)), "beyond its pixels"),
    ],
    ids=["none", "beam", "channels", "photons"],
)
def test_a_frame_that_would_spoil_the_recording_ends_the_map(edx_session, tmp_path, monkeypatch, spoilt, words):
    spoil_frames(monkeypatch, spoilt, times=100)
    session, clock = session_in(edx_session(), tmp_path / "s")
    with pytest.raises(DeviceError, match=words):
        clock.run(session.run())
    assert session.instruments.microscope.current_pa == 0.0
    recorded = list(read_step(SessionFolder(tmp_path / "s").step_file("c00/NC2/edx")))
    assert [f.header.index for f in recorded] == [0, 1, 2]


def test_a_map_goes_on_after_one_frame_that_would_spoil_it(edx_session, tmp_path, monkeypatch):
    spoil_frames(monkeypatch, lambda scan: replace(scan, x_rays=None), times=1)
    session, clock = session_in(edx_session(), tmp_path / "s")
    assert clock.run(session.run()) is FinishReason.COMPLETED
    marks = [r.mark for r in records_of(tmp_path / "s", SeriesEnded)]
    assert all(mark.frames == mark.planned for mark in marks if mark.what == "edx-map")


def spoil_frames(monkeypatch, spoilt, times: int) -> None:
    """From the fourth that the detector gives on, so many."""
    whole, number = SimulatedEdxDetector.map_frames, 0

    async def map_frames(self, settings):
        nonlocal number
        async for scan in whole(self, settings):
            number += 1
            yield spoilt(scan) if 4 <= number < 4 + times else scan

    monkeypatch.setattr(SimulatedEdxDetector, "map_frames", map_frames)


def test_a_map_at_each_tilt_is_a_step_of_its_own(edx_session, tmp_path):
    session, clock = session_in(edx_session("tilts_deg = [-20, 0, 20]", ONE_MAP), tmp_path / "s")
    assert clock.run(session.run()) is FinishReason.COMPLETED
    assert [(m.step, m.tilt_deg) for m in maps_of(session)] == [
        ("c00/NC2/edx-20", -20.0),
        ("c00/NC2/edx+0", 0.0),
        ("c00/NC2/edx+20", 20.0),
    ]


def test_a_recorded_map_is_read_by_the_edx_command(edx_session, tmp_path, recorded):
    run = recorded(edx_session(), tmp_path / "s")
    out = tmp_path / "out.json"
    options = ["--lines", "Ag_La,Au_Ma", "--k", "Ag_La/Au_Ma=1.44:0.01", "--radial", "--json", str(out)]
    recorded = tmp_path / "s" / "frames" / "c00_NC2_edx.h5"
    done = alloyscope("edx", recorded, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    live, _ = final_maps(run)
    assert json.loads(out.read_text())["composition_at_pct"] == live.report["composition_at_pct"]
    assert "simulated" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (EDX, "", r"no \[edx\] section"),
        ('"Ag_La"', '"Ag_Xa"', "Ag_Xa"),
        ("1.44:0.01", "-1:0.01", "a factor is above 0"),
        ("frames = 12", "frames = 12\ntilts_deg = [80.0]", "holder's range"),
        ('backend = "simulated"\nlines', 'backend = "xflash"\nlines', "no backend is called 'xflash'"),
        ("frames = 12", "frame = 12", "did you mean 'frames'"),
        ('"Au_Ma"]', '"Ag_Ka"]', "Ag is there twice"),
        ("frames = 12", "frames = 12\nsigma_at_pct = 0.1", "k-factors alone leave 0.17 at%"),
    ],
    ids=["section", "line", "factor", "tilt", "backend", "key", "element twice", "sigma below the factors'"],
)
def test_what_cannot_work_is_refused_before_beam_time(edx_session, old, new, words):
    path = edx_session(edx=EDX.replace(old, new, 1))
    with pytest.raises(ConfigError, match=words):
        checked_session(path)
