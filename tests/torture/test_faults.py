"""Faults on purpose: whatever goes wrong, nothing that must hold breaks, and what passes by itself ends no session."""

import itertools
import os
import random
from pathlib import Path

import pytest

from simulators.faults import CHIP_FAULTS, MICROSCOPE_FAULTS, Fault
from tests.torture.rig import NoAnalysis, Outcome, run, some_faults

TORTURE = float(os.environ.get("ALLOYSCOPE_TORTURE", "1"))
"""How much more of everything: ``make torture`` sets it."""
RUNS = round(25 * TORTURE)
EVERYTHING = [("chip", *kind) for kind in CHIP_FAULTS] + [("microscope", *kind) for kind in MICROSCOPE_FAULTS]
LATER = {"read": 300, "scan": 5, "move_to": 5, "set_beam_blank": 9, "shift_image": 2, "quench": 1, "ramp_to": 1}
"""Calls in the middle of the session, the second ramp among them."""


@pytest.fixture(autouse=True)
def nothing_is_analysed(monkeypatch) -> None:
    monkeypatch.setattr("controller.session.LiveAnalysis", NoAnalysis)


def struck_by(folder: Path, faults: list[tuple[str, str, str]], at: int | None = None, **how: object) -> Outcome:
    by: dict[str, list[Fault]] = {"chip": [], "microscope": []}
    for device, call, way in faults:
        by[device].append(Fault(call, way, at=LATER.get(call, 0) if at is None else at))
    return run(folder, by["chip"], by["microscope"], **how)


def test_without_faults_everything_holds(tmp_path):
    outcome = run(tmp_path)
    assert (outcome.reason, outcome.broken) == ("completed", [])


@pytest.mark.parametrize("mode", ["stepped", "continuous"])
def test_what_happens_once_ends_no_session(tmp_path, mode):
    """At least 95 of 100 kinds; the others say what device did not do what."""
    ended = {}
    for number, (device, call, how) in enumerate(EVERYTHING):
        outcome = struck_by(tmp_path / str(number), [(device, call, how)], mode=mode)
        assert not outcome.broken, (device, call, how, outcome)
        assert outcome.struck >= 1 or call == "make_safe", (device, call, how)
        if outcome.reason != "completed":
            ended[f"{device} {call} {how}"] = outcome.told
            assert device in outcome.told, ended
    print(f"{mode}: {len(EVERYTHING) - len(ended)} of {len(EVERYTHING)} kinds end no session; the others: {ended}")
    assert len(ended) <= 0.05 * len(EVERYTHING), ended


def test_pairs_of_what_happens_once_break_nothing(tmp_path):
    pairs = list(itertools.combinations(EVERYTHING, 2))
    chosen = pairs if TORTURE > 1 else random.Random(18).sample(pairs, RUNS)
    for number, pair in enumerate(chosen):
        outcome = struck_by(tmp_path / str(number), list(pair))
        assert not outcome.broken, (pair, outcome)


def test_whatever_goes_wrong_and_whatever_is_asked_breaks_nothing(tmp_path):
    reasons = []
    for seed in range(RUNS):
        chance = random.Random(seed)
        chip = some_faults(chance, CHIP_FAULTS, most=3, times=4)
        microscope = some_faults(chance, MICROSCOPE_FAULTS, most=3, times=4)
        asked = ["pause", "pause", "abort", "stop"]
        commands = sorted((chance.uniform(0.0, 120.0), chance.choice(asked)) for _ in range(chance.randint(0, 2)))
        mode = chance.choice(["stepped", "continuous"])
        outcome = run(tmp_path / str(seed), chip, microscope, mode=mode, commands=commands)
        assert not outcome.broken, (seed, chip, microscope, commands, outcome)
        reasons.append(outcome.reason)
    print({reason: reasons.count(reason) for reason in set(reasons)})
