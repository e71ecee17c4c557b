"""Steps that have not begun are skipped and changed; those that have begun never."""

import pytest

from controller.plan.running_plan import RunningPlan
from controller.plan.session_file import load_session
from controller.plan.steps import Heat, Plan
from drivers.errors import AlloyscopeError
from drivers.recorded.records import PlanAmended

MAX_C = 600.0


def limited(step: str, temperature_c: float, rate_c_per_s: float) -> None:
    if temperature_c > MAX_C:
        raise AlloyscopeError(f"{step}: {temperature_c:g} C was asked, {MAX_C:g} C is the limit")


@pytest.fixture
def plan(session_file) -> RunningPlan:
    """A tilt series, then twice a pulse and a tilt series."""
    return RunningPlan(Plan(load_session(session_file())), limited)


def done(plan: RunningPlan, command: str) -> str:
    return "; ".join(plan.amend(one) for one in plan.asked(command))


def test_what_is_not_amended_is_the_plan(plan, session_file):
    assert list(plan.steps()) == list(Plan(load_session(session_file())).steps())
    assert not list(plan.steps())


def test_a_step_or_a_whole_cycle_is_skipped_and_taken_after_all(plan):
    whole = [s.id for s in plan.taken]
    assert whole == ["c00/NC2/tilt", "c01/heat", "c01/NC2/tilt", "c02/heat", "c02/NC2/tilt"]
    done(plan, "skip c01")
    done(plan, "skip c02/heat")
    assert [s.id for s in plan.taken] == ["c00/NC2/tilt", "c02/NC2/tilt"]
    done(plan, "unskip c01/NC2/tilt")
    assert [s.id for s in plan.steps()] == ["c00/NC2/tilt", "c01/NC2/tilt", "c02/NC2/tilt"]


def test_a_pulse_is_changed_while_the_one_before_is_analysed(plan):
    steps = plan.steps()
    for _ in range(3):
        next(steps)
    assert "440 C for 33 s" in done(plan, "change c02/heat 440 33")
    heat = next(steps)
    assert isinstance(heat, Heat)
    assert (heat.id, heat.temperature_c, heat.duration_s, heat.rate_c_per_s) == ("c02/heat", 440.0, 33.0, 1000.0)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("skip c00/NC2/tilt", "has begun, or is over; steps that come next: c01/heat"),
        ("change c00 450 10", "has begun"),
        ("skip c09", "is no step of this plan"),
        ("skip c0", "is no step of this plan"),
        ("skip", "needs a step"),
        ("change c01/heat", "needs a step, a temperature in C and a time in s"),
        ("change c01/heat hot 10", "as it is: change c01/heat 450 60"),
        ("change c01/heat 450 -1", "a time of 0 to 1e6 s"),
        ("change c01/heat 450 nan", "a time of 0 to 1e6 s"),
        ("change c01/heat 601 10", "600 C is the limit"),
        ("change c01/NC2/tilt 450 10", "only a heat pulse can be changed; those that have not begun: c01/heat, c02"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(plan, command, told):
    next(plan.steps())
    before = list(plan.all())
    with pytest.raises(AlloyscopeError, match=told):
        plan.asked(command)
    assert list(plan.all()) == before


def test_amendments_of_a_journal_make_the_same_plan_again(plan, session_file):
    amended = [one for c in ("skip c01", "change c02/heat 500 5", "unskip c01/heat") for one in plan.asked(c)]
    assert all(isinstance(one, PlanAmended) for one in amended)
    again = RunningPlan(Plan(load_session(session_file())), limited)
    for one in amended:
        plan.amend(one)
        again.amend(one)
    assert list(again.steps()) == list(plan.steps())


def test_of_a_session_that_goes_on_nothing_is_amended_that_was_begun(session_file):
    """A series that was cut has frames: left out, they would be in no analysis and no account."""
    begun = frozenset({"c00/NC2/tilt", "c01/heat", "c01/NC2/tilt"})
    plan = RunningPlan(Plan(load_session(session_file())), limited, begun)
    for command in ("skip c01", "skip c01/NC2/tilt", "change c01/heat 500 60"):
        with pytest.raises(AlloyscopeError, match="it has begun, or is over; steps that come next: c02/heat"):
            plan.asked(command)
    assert done(plan, "skip c02/heat") == "c02/heat is skipped"


def test_what_is_over_is_repeated_next_and_what_is_left_after_itself(plan):
    steps = plan.steps()
    ids = [next(steps).id for _ in range(3)]
    assert ids[-1] == "c01/NC2/tilt"
    assert done(plan, "repeat c01") == (
        "c01b/heat repeats c01/heat, after c01/NC2/tilt; c01b/NC2/tilt repeats c01/NC2/tilt, after c01/NC2/tilt"
    )
    done(plan, "repeat c01/NC2/tilt")
    done(plan, "repeat c02/heat")
    done(plan, "repeat c01b/heat")
    left = ["c01b/heat", "c01b/NC2/tilt", "c01c/NC2/tilt", "c01c/heat", "c02/heat", "c02b/heat", "c02/NC2/tilt"]
    assert [s.id for s, _ in plan.all()][3:] == left
    done(plan, "skip c02b")
    done(plan, "change c01b/heat 440 5")
    ran = {s.id: s for s in steps}
    assert list(ran) == [step for step in left if step != "c02b/heat"]
    first, second = ran["c01b/heat"], ran["c01c/heat"]
    assert isinstance(first, Heat)
    assert isinstance(second, Heat)
    assert (first.temperature_c, first.duration_s) == (440.0, 5.0)
    assert (second.temperature_c, second.duration_s) == (450.0, 60.0)  # as it was when it was asked for


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("repeat c09", "is no step of this plan; steps about now: c00"),
        ("repeat", "needs a step"),
        ("repeat c01 /heat", "needs a step"),
        ("skip c01 /heat", "needs a step"),
    ],
)
def test_what_cannot_be_repeated_is_told(plan, command, told):
    next(plan.steps())
    with pytest.raises(AlloyscopeError, match=told):
        plan.asked(command)


def test_repeats_of_a_journal_make_the_same_plan_again(plan, session_file):
    steps = plan.steps()
    for _ in range(2):
        next(steps)
    amended = []
    for command in ("repeat c00", "repeat c01/heat", "skip c00b", "repeat c02"):
        for one in plan.asked(command):
            amended.append(one)
            plan.amend(one)
    again = RunningPlan(Plan(load_session(session_file())), limited, frozenset({"c00/NC2/tilt", "c01/heat"}))
    for one in amended:
        again.amend(one)
    assert list(again.all()) == list(plan.all())


def test_of_a_session_that_goes_on_a_repeat_parts_no_series_that_was_begun(session_file):
    """Asked before the session has found its place again, too: the second half of a series has no other heat."""
    begun = frozenset({"c00/NC2/tilt", "c01/heat", "c01/NC2/tilt", "c02/heat"})
    plan = RunningPlan(Plan(load_session(session_file())), limited, begun)
    assert done(plan, "repeat c01/heat") == "c01b/heat repeats c01/heat, after c02/heat"
    assert [s.id for s in plan.steps()][-2:] == ["c01b/heat", "c02/NC2/tilt"]


def test_a_cycle_that_waits_for_results_waits_again(session_file):
    plan = RunningPlan(Plan(load_session(session_file(**{"450.0\n": "450.0\nwait_for_results = true\n"}))), limited)
    done(plan, "repeat c01")
    assert [s.id for s in plan.taken if s.id.startswith("c01b")] == ["c01b/heat", "c01b/NC2/tilt", "c01b/results"]


def test_what_the_analysis_chooses_is_not_repeated(session_file):
    steered = 'kind = "steered"\npolicy = "until"\nparticle = "NC2"\nalloying = 0.5\nfirst_s = 10.0\n'
    path = session_file(**{'kind = "pulses"\n': steered, "durations_s = [60.0, 120.0]\n": ""})
    plan = RunningPlan(Plan(load_session(path)), limited)
    for name in ("c01/steer", "c01/heat", "c02/NC2/tilt"):
        with pytest.raises(AlloyscopeError, match="belongs to c01/steer, whose pulses the analysis chooses"):
            plan.asked(f"repeat {name}")
    assert plan.asked("repeat c00")
