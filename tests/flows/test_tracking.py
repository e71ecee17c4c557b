"""Heat bulges the window and leaves some of it behind; the particle is brought back before each tilt series."""

import json

import numpy as np

from analysis.images.off_centre import off_centre_px
from drivers.frames import Frame
from drivers.recorded.journal import records_of
from drivers.recorded.records import Centred, Eucentric
from drivers.recorded.session import read_session
from tests.flows.recording import session_in

BULGE = """
bulge_nm_per_c = [0.8, 0.1, -0.15]
left_behind = 0.1
height_change_nm = 0.0
"""
LEFT_NM = 0.1 * 425.0 * 0.8
"""Height left behind by one pulse of 450 C."""


def run(session_file, folder, tracking: str):
    swap = {"current_pa = 400.0": "current_pa = 400.0\n" + BULGE}
    path = session_file(durations_s="[20.0, 20.0]", more=tracking, **swap)
    session, clock = session_in(path, folder)
    clock.run(session.run())
    return session


def farthest_px(folder) -> float:
    """How far off the middle the particle ever stood, where it was seen whole."""
    off = [off_centre_px(i.image) for i in read_session(folder) if isinstance(i, Frame)]
    return max(float(np.abs(o).max()) for o in off if o is not None)


def test_the_particle_is_brought_back_to_the_axis_and_the_middle(session_file, tmp_path):
    session = run(session_file, tmp_path / "s", "[tracking]\ncentre = true\neucentric = true\n")
    found = records_of(tmp_path / "s", Eucentric)
    above_nm = [r.above_axis_nm for r in found]
    np.testing.assert_allclose(above_nm, [0.0, LEFT_NM, LEFT_NM], atol=8.0)
    centred = records_of(tmp_path / "s", Centred)
    assert len({r.step for r in centred}) == 3
    untracked = run(session_file, tmp_path / "u", "")
    assert farthest_px(tmp_path / "s") < 4.0 < farthest_px(tmp_path / "u")
    states = session.json()["particles"]["NC2"]["states"]
    assert [s["quality"] for s in states] == ["good"] * 3
    doses = [s.json()["ledger"]["NC2"]["dose_e_per_nm2"] for s in (session, untracked)]
    assert 1.0 < doses[0] / doses[1] < 1.1
    truth = json.loads((tmp_path / "s" / "truth" / "truth.json").read_text())["particles"]["NC2"]
    d = session.json()["particles"]["NC2"]["diffusivity_m2_per_s"]
    assert abs(d["value"] - truth["d_450_m2_per_s"]) < 4.0 * d["std"]
