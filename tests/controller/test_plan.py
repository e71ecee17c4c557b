import pytest

from controller.check import checked_session, timeline
from controller.plan import Heat, Plan, TiltSeries
from controller.session_file import load_session
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
    assert Plan(session).dose_e_per_nm2()["NC2"] == pytest.approx(936.2 / 4.0 * 29 * 3, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dwell": "dwell", "pixel_nm": "pixl_nm"}, ["pixl_nm", "pixel_nm", "line 18"]),
        ({"temperature_c = 450.0": "temperature_c = 900.0"}, ["900", "600", "lower the plan"]),
        ({"from_deg = -70.0": "from_deg = -80.0"}, ["-80", "holder", "tilt.from_deg"]),
        ({'backend = "simulated"': 'backend = "simulatd"'}, ["simulatd", "did you mean 'simulated'"]),
        ({'kind = "pulses"': 'kind = "pulse"'}, ["plan[2]", "pulses"]),
        ({"durations_s = [60.0, 120.0]": "durations_s = [60.0, -1.0]"}, ["plan[2].durations_s[2]", "greater than 0"]),
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
    assert len(caught.value.problems) >= 5
