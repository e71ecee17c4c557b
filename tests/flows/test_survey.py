"""A session chooses its particle in an overview, and says so when none is as asked for."""

import numpy as np
import pytest
import tifffile

from analysis.images.off_centre import off_centre_px
from controller.plan.check import checked_session
from controller.plan.timeline import timeline
from drivers.errors import ConfigError, NothingSuitable
from drivers.frames import Frame
from drivers.recorded.journal import records_of
from drivers.recorded.records import ParticleChosen
from drivers.recorded.session import read_session
from simulators.microscope import SimulatedMicroscope
from tests.flows.recording import session_in

CROWD = """particles = [
    { specimen = "NC2" },
    { specimen = "NR1", x_nm = 230.0, y_nm = -120.0 },
    { specimen = "NC1", x_nm = -190.0, y_nm = 160.0 },
    { specimen = "NC1", x_nm = -60.0, y_nm = 220.0 },
]"""
SURVEY = "\n[survey]\npixel_nm = 2.0\nshape = [400, 400]\n"


def crowded(session_file, choose: str):
    return session_file(
        durations_s="[20.0]",
        step_deg=10.0,
        more=SURVEY,
        **{'particles = [{ specimen = "NC2" }]': CROWD, 'name = "NC2"': f'name = "NC2"\nchoose = "{choose}"'},
    )


def test_the_particle_asked_for_is_chosen_and_recorded(session_file, tmp_path):
    session, clock = session_in(crowded(session_file, "rod, 30-90 nm"), tmp_path / "s")
    clock.run(session.run())
    (chosen,) = records_of(tmp_path / "s", ParticleChosen)
    assert (chosen.x_nm, chosen.y_nm) == (pytest.approx(230.0, abs=4.0), pytest.approx(-120.0, abs=4.0))
    frames = [i for i in read_session(tmp_path / "s") if isinstance(i, Frame)]
    assert len(frames) == 30
    off_px = np.array([off_centre_px(f.image) for f in frames if abs(f.header.tilt_deg) < 45.0])
    assert np.abs(off_px).max() < 6.0
    assert np.ptp([f.header.stage_nm[0] for f in frames]) == 0.0
    assert frames[0].header.stage_nm[0] == pytest.approx(chosen.x_nm, abs=0.1)


@pytest.mark.slow
def test_two_that_are_chosen_alike_are_two(session_file, tmp_path):
    path = crowded(session_file, "square")
    path.write_text(path.read_text() + '\n[[particles]]\nname = "B"\nchoose = "square"\n')
    session, clock = session_in(path, tmp_path / "s")
    clock.run(session.run())
    chosen = [(r.y_nm, r.x_nm) for r in records_of(tmp_path / "s", ParticleChosen)]
    assert len(chosen) == 2
    assert np.hypot(*np.subtract(*chosen)) > 100.0


def test_no_particle_as_asked_for_ends_the_session_with_what_there_is(session_file, tmp_path, monkeypatch):
    session, clock = session_in(crowded(session_file, "single, round, 300-400 nm"), tmp_path / "s")
    beam_pa = []

    async def closing(self):
        beam_pa.append(self.current_pa)

    monkeypatch.setattr(SimulatedMicroscope, "close", closing)
    with pytest.raises(NothingSuitable, match="4 particles"):
        clock.run(session.run())
    assert beam_pa == [0.0]
    assert tifffile.imread(tmp_path / "s" / "overviews" / "NC2.tif").shape == (400, 400)


@pytest.mark.parametrize(
    ("choose", "told"), [("blue", "'blue' is not understood"), ("60-40 nm", "smaller size comes first")]
)
def test_what_is_not_understood_is_refused_at_once(session_file, tmp_path, choose, told):
    with pytest.raises(ConfigError, match=told):
        session_in(crowded(session_file, choose), tmp_path / "s")


def test_the_timeline_says_what_is_chosen(session_file):
    lines = list(timeline(checked_session(crowded(session_file, "rod"))))
    assert "  NC2 is chosen before its first recording: rod" in lines


def test_choosing_needs_an_overview(session_file, tmp_path):
    path = session_file(**{'name = "NC2"': 'name = "NC2"\nchoose = "round"'})
    with pytest.raises(ConfigError, match="survey"):
        session_in(path, tmp_path / "s")


def test_it_is_reached_by_a_stage_that_is_turned_mirrored_and_has_play(session_file, tmp_path):
    path = crowded(session_file, "rod, 30-90 nm")
    options = "\nstage_turn_deg = 40.0\nstage_mirrored = true\nstage_backlash_nm = 60.0"
    text = path.read_text().replace(CROWD, CROWD + options)
    path.write_text(text + "\n[stage]\nturn_deg = 40.0\nmirrored = true\nbacklash_nm = 65.0\n")
    session, clock = session_in(path, tmp_path / "s")
    clock.run(session.run())
    (chosen,) = records_of(tmp_path / "s", ParticleChosen)
    assert (chosen.x_nm, chosen.y_nm) == (pytest.approx(230.0, abs=4.0), pytest.approx(-120.0, abs=4.0))
    frames = [i for i in read_session(tmp_path / "s") if isinstance(i, Frame)]
    off_px = np.array([off_centre_px(f.image) for f in frames if abs(f.header.tilt_deg) < 45.0])
    assert np.abs(off_px).max() < 6.0
