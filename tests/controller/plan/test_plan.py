from pathlib import Path

import pytest

from controller.plan.check import checked_session
from controller.plan.dose import Dose
from controller.plan.recordings import Image, TiltSeries
from controller.plan.session_file import load_session
from controller.plan.steps import Heat, Plan
from controller.plan.timeline import timeline
from drivers.errors import ConfigError


def test_the_plan_is_the_same_every_time_and_its_ids_are_stable(session_file):
    plan = Plan(load_session(session_file()))
    first, second = list(plan.steps()), list(plan.steps())
    assert first == second
    assert [s.id for s in first] == ["c00/NC2/tilt", "c01/heat", "c01/NC2/tilt", "c02/heat", "c02/NC2/tilt"]
    assert isinstance(first[1], Heat)
    assert isinstance(first[2], TiltSeries)


def test_the_timeline_tells_dose_and_duration(session_file):
    lines = list(timeline(checked_session(session_file())))
    assert any("electrons per nm2" in line for line in lines)
    assert any("estimated duration" in line for line in lines)
    session = load_session(session_file())
    # 50 pA for 3 us is 936 electrons, on 4 nm2, 29 tilts, 3 series.
    assert Dose(session).by_particle()["NC2"] == pytest.approx(936.2 / 4.0 * 29 * 3, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dwell": "dwell", "pixel_nm": "pixl_nm"}, ["pixl_nm", "pixel_nm", "line 19"]),
        ({"temperature_c = 450.0": "temperature_c = 900.0"}, ["900", "600", "lower the plan"]),
        ({"from_deg = -70.0": "from_deg = -80.0"}, ["-80", "holder", "tilt.from_deg"]),
        ({'backend = "simulated"': 'backend = "simulatd"'}, ["simulatd", "did you mean 'simulated'"]),
        ({'kind = "pulses"': 'kind = "pulse"'}, ["plan[2]", "pulses"]),
        (
            {"durations_s = [60.0, 120.0]": "durations_s = [60.0, -1.0]"},
            ["plan[2].durations_s[2]", "must be at least 0"],
        ),
        ({"voxels_across = 36.0": "voxls_across = 36.0"}, ["voxls_across", "voxels_across"]),
        ({'specimen = "NC2"': 'specimen = "NC9"'}, ["NC9", "NC2"]),
        ({"seed = 3": "seed = "}, ["TOML"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_mistake_is_named_with_what_to_write_instead(session_file, change, words):
    change.pop("dwell", None)
    with pytest.raises(ConfigError) as caught:
        checked_session(session_file(**change))
    for word in words:
        assert word in str(caught.value)


def test_every_mistake_is_told_at_once(session_file):
    path = session_file(**{"pixel_nm": "pixl_nm", "seed = 3": "sead = 3", "title": "titel"})
    with pytest.raises(ConfigError) as caught:
        load_session(path)
    assert ["pixl_nm" in p or "titel" in p or "sead" in p for p in caught.value.problems] == [True] * 3


STAIRS = """
[[plan]]
kind = "staircase"
from_c = 50.0
to_c = 500.0
step_c = 150.0
hold_s = 300.0
ramp_c_per_s = 10.0
after_each = "image"
"""


def test_a_staircase_takes_one_image_after_each_stair(session_file):
    steps = list(Plan(load_session(session_file(durations_s="[60.0]", more=STAIRS))).steps())[3:]
    heats = [s for s in steps if isinstance(s, Heat)]
    assert [(h.temperature_c, h.duration_s, h.rate_c_per_s) for h in heats] == [
        (t, 300.0, 10.0) for t in (50.0, 200.0, 350.0, 500.0)
    ]
    images = [s for s in steps if isinstance(s, Image)]
    assert [s.id for s in images] == [f"c{n:02d}/NC2/image" for n in (2, 3, 4, 5)]
    assert all(s.tilts_deg == (0.0,) for s in images)


def test_a_stair_beyond_the_limit_is_named(session_file):
    with pytest.raises(ConfigError, match=r"plan\[3\]\.to_c.*650"):
        checked_session(session_file(more=STAIRS.replace("500.0", "800.0")))


def test_a_cycle_goes_through_its_blocks_again_and_again(session_file):
    cycle = """
[[plan]]
kind = "cycle"
times = 2

[[plan.steps]]
kind = "pulses"
temperature_c = 300.0
durations_s = [5.0, 0.0]
repeat = 2
after_each = "nothing"

[[plan.steps]]
kind = "image"
"""
    steps = list(Plan(load_session(session_file(durations_s="[60.0]", more=cycle))).steps())[3:]
    once = ["heat", "heat", "heat", "heat", "image"]
    assert [s.id.split("/")[-1] for s in steps] == once * 2
    assert len({s.id for s in steps}) == len(steps)
    assert [s.duration_s for s in steps if isinstance(s, Heat)] == [5.0, 0.0] * 4


def test_particles_are_visited_there_and_back_again(session_file):
    more = "".join(f'\n[[particles]]\nname = "{n}"\nx_nm = {x}\n' for n, x in (("far", 9e4), ("near", 1e4)))
    series = [s for s in Plan(load_session(session_file(more=more))).steps() if isinstance(s, TiltSeries)]
    assert [s.particle.name for s in series] == ["NC2", "near", "far", "far", "near", "NC2", "NC2", "near", "far"]


EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.toml"))


@pytest.mark.parametrize("path", [p for p in EXAMPLES if "replay" not in p.stem], ids=lambda p: p.stem)
def test_every_example_is_a_session_that_could_be_run(path):
    """All but the replay, which needs a recording of one's own."""
    lines = list(timeline(checked_session(path)))
    assert any("heat to" in line or "tilt series" in line for line in lines)


def test_a_sweep_costs_the_dose_of_all_its_scans(session_file):
    stepped, swept = (Dose(load_session(session_file(mode=m))).by_particle()["NC2"] for m in ("stepped", "continuous"))
    # 140 deg at 10 deg/s is 14 s of beam; 29 scans of 48 x 48 pixels at 3 us are 0.2 s.
    assert swept / stepped == pytest.approx(14.0 / (29 * 48 * 48 * 3e-6), rel=0.01)


BLIND = """
[[plan]]
kind = "steered"
policy = "most-informative"
about = "windows"
particle = "NC2"
temperature_c = 450.0
first_s = 20.0
"""


def test_a_block_about_windows_that_could_tell_nothing_is_refused(session_file):
    with pytest.raises(ConfigError, match="two windows"):
        load_session(session_file(more=BLIND))
    other = '\n[[particles]]\nname = "B"\nwindow = "edge"\n'
    with pytest.raises(ConfigError, match="temperatures_c"):
        load_session(session_file(more=BLIND + other))
    load_session(session_file(more=BLIND + "temperatures_c = [430.0]\n" + other))
    until = BLIND.replace("most-informative", "until")
    with pytest.raises(ConfigError, match="only for policy"):
        load_session(session_file(more=until + other))
