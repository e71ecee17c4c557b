"""Faults on purpose: whatever goes wrong, nothing that must hold breaks, and what passes by itself ends no session."""

import itertools
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from simulators.faults import CHIP_FAULTS, MICROSCOPE_FAULTS, Fault
from tests.torture.conftest import TORTURE
from tests.torture.rig import NoAnalysis, Outcome, run

EVERYTHING = [("chip", *kind) for kind in CHIP_FAULTS] + [("microscope", *kind) for kind in MICROSCOPE_FAULTS]
LATER = {"read": 300, "scan": 5, "move_to": 5, "set_beam_blank": 9, "shift_image": 2, "quench": 1, "ramp_to": 1}
"""Calls in the middle of the session, the second ramp among them."""
LATEST = {"read": 800, "scan": 18, "move_to": 18, "set_beam_blank": 40, "shift_image": 6, "ramp_to": 2, "quench": 3}
"""Calls near its end."""
PAIRS, SESSIONS = round(25 * TORTURE), round(40 * TORTURE)


@pytest.fixture(autouse=True)
def nothing_is_analysed(monkeypatch) -> None:
    monkeypatch.setattr("controller.session.LiveAnalysis", NoAnalysis)


def struck_by(folder: Path, faults: list[tuple[str, str, str]], mode: str = "stepped") -> Outcome:
    by: dict[str, list[Fault]] = {"chip": [], "microscope": []}
    for device, call, way in faults:
        by[device].append(Fault(call, way, at=LATER.get(call, 0)))
    return run(folder, by["chip"], by["microscope"], mode=mode)


def test_without_faults_everything_holds(tmp_path):
    outcome = run(tmp_path)
    assert (outcome.reason, outcome.broken) == ("completed", [])


@pytest.mark.parametrize("mode", ["stepped", "continuous"])
def test_what_happens_once_ends_no_session(tmp_path, mode, tell):
    """At least 95 of 100 kinds; the others say what device did not do what."""
    ended = {}
    for number, (device, call, how) in enumerate(EVERYTHING):
        outcome = struck_by(tmp_path / str(number), [(device, call, how)], mode)
        assert not outcome.broken, (device, call, how, outcome)
        assert outcome.struck >= 1 or call == "make_safe", (device, call, how)
        if outcome.reason != "completed":
            ended[f"{device} {call} {how}"] = outcome.told
            assert device in outcome.told, ended
    kinds = len(EVERYTHING)
    tell(
        f"each kind of fault once, {mode}",
        kinds,
        f"{kinds - len(ended)} complete their plan; others: {ended or 'none'}",
    )
    assert len(ended) <= 0.05 * kinds, ended


def test_a_sweep_that_fails_after_its_last_tilt_has_missed_nothing(tmp_path):
    """It goes to 25 deg, and the last frame that is kept is at 20."""
    outcome = run(tmp_path, (), [Fault("scan", "raises", at=43)], mode="continuous", to_deg=25.0)
    assert (outcome.reason, outcome.struck, outcome.broken) == ("completed", 1, [])


def test_pairs_of_what_happens_once_break_nothing(tmp_path, tell):
    pairs = list(itertools.combinations(EVERYTHING, 2))
    chosen = pairs if len(pairs) <= PAIRS else random.Random(18).sample(pairs, PAIRS)
    completed = 0
    for number, pair in enumerate(chosen):
        outcome = struck_by(tmp_path / str(number), list(pair))
        assert not outcome.broken, (pair, outcome)
        completed += outcome.reason == "completed"
    tell(f"pairs of kinds, of {len(pairs)}", len(chosen), f"{completed} complete their plan; nothing broken")


class Sessions(RuleBasedStateMachine):
    """Builds up what is to go wrong and what is to be asked; then the session is run."""

    def __init__(self) -> None:
        super().__init__()
        self.chip: list[Fault] = []
        self.microscope: list[Fault] = []
        self.commands: list[tuple[float, str]] = []
        self.mode = "stepped"

    @initialize(mode=st.sampled_from(["stepped", "continuous"]))
    def the_stage_goes(self, mode):
        self.mode = mode

    @rule(kind=st.sampled_from(CHIP_FAULTS), part=st.floats(0, 1), times=st.integers(1, 4))
    def the_chip_fails(self, kind, part, times):
        self.chip.append(Fault(*kind, at=int(part * LATEST.get(kind[0], 1)), times=times))

    @rule(kind=st.sampled_from(MICROSCOPE_FAULTS), part=st.floats(0, 1), times=st.integers(1, 4))
    def the_microscope_fails(self, kind, part, times):
        self.microscope.append(Fault(*kind, at=int(part * LATEST.get(kind[0], 1)), times=times))

    @rule(at_s=st.floats(0, 120), command=st.sampled_from(["pause", "abort", "stop"]))
    def somebody_asks(self, at_s, command):
        self.commands.append((at_s, command))

    def teardown(self):
        with TemporaryDirectory() as folder:
            outcome = run(Path(folder), self.chip, self.microscope, mode=self.mode, commands=sorted(self.commands))
        assert not outcome.broken, outcome


def test_whatever_goes_wrong_and_whatever_is_asked_breaks_nothing(tell):
    run_state_machine_as_test(
        Sessions,
        settings=settings(
            max_examples=SESSIONS,
            stateful_step_count=5,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    tell("faults and commands, by Hypothesis", SESSIONS, "nothing broken")
