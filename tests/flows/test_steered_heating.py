"""Sessions whose pulses the analysis chooses, on the stepped clock, with a real analysis process."""

import asyncio
import json
import os
import signal

import pytest

from controller import events as ev
from controller.engine import FinishReason
from controller.plan.check import checked_session
from controller.plan.timeline import timeline
from drivers.errors import ConfigError
from drivers.recorded.journal import records_of
from drivers.recorded.records import AnalysisStarted, DecisionMade, Heated, SeriesBegin
from tests.flows.recording import session_in

STEERED = """
[[plan]]
kind = "steered"
policy = "until"
particle = "NC2"
temperature_c = 450.0
first_s = 20.0
alloying = 0.5
most_pulses = 6
"""
NO_PULSES = {'kind = "pulses"\ntemperature_c = 450.0\ndurations_s = [60.0]': STEERED[10:]}

FEW_TILTS = {"durations_s": "[60.0]", "step_deg": 10.0}
"""For laws that hold whatever the tilt series tell."""


def test_until_a_degree_of_alloying_stops_the_twin_there(session_file, tmp_path):
    heard: list[ev.Event] = []
    session, clock = session_in(session_file(durations_s="[60.0]", **NO_PULSES), tmp_path / "s", heard.append)
    assert clock.run(session.run()) is FinishReason.COMPLETED
    truth = [json.loads(line) for line in (tmp_path / "s" / "truth" / "states.jsonl").read_text().splitlines()]
    # 2 nm pixels, a coarse twin: the error is a few times that of a real session.
    assert truth[-1]["particles"]["NC2"]["alloying"] == pytest.approx(0.5, abs=0.05)
    decisions, pulses = (records_of(tmp_path / "s", kind) for kind in (DecisionMade, Heated))
    assert [d.decision for d in decisions] == ["pulse"] * len(pulses) + ["done"]
    assert len(pulses) <= 4
    assert pulses[0].duration_s == pytest.approx(20.0, abs=0.01)
    said = " ".join(e.text for e in heard if isinstance(e, ev.Log))
    assert "first pulse of 20 s" in said
    assert "the target is 0.5" in said
    steps = [r.step for r in records_of(tmp_path / "s", SeriesBegin)]
    assert steps == [f"c{n:02d}/NC2/tilt" for n in range(len(pulses) + 1)]


def test_a_dose_budget_ends_it_before_it_is_passed(session_file, tmp_path):
    """29 tilts of 400 pA for 3 us on 4 nm2 are 5.4e4 electrons per nm2."""
    path = session_file(durations_s="[60.0]", **NO_PULSES)
    text = path.read_text().replace("most_pulses = 6", "most_pulses = 6\nmost_dose_e_per_nm2 = 1.2e5")
    path.write_text(text.replace("shape = [48, 48]", "shape = [48, 48]\ncurrent_pa = 400.0"))
    session, clock = session_in(path, tmp_path / "s")
    clock.run(session.run())
    assert session.ledger.dose_e_per_nm2["NC2"] < 1.2e5
    last = records_of(tmp_path / "s", DecisionMade)[-1]
    assert last.decision == "done"
    assert "electrons per nm2" in last.why
    assert session.ledger.heat


def test_a_stopped_analysis_holds_the_chip_cold_and_goes_on_when_it_returns(session_file, tmp_path, monkeypatch):
    monkeypatch.setattr("controller.heat.steered_heating._PATIENCE_S", 1.0)
    heard: list[ev.Event] = []
    session, clock = session_in(session_file(**FEW_TILTS, **NO_PULSES), tmp_path / "s", heard.append)
    stopped: list[int] = []

    def watch(event: ev.Event) -> None:
        pids = [r.pid for r in records_of(tmp_path / "s", AnalysisStarted)] if not stopped else []
        if isinstance(event, ev.StepProgress) and event.step == "c01/NC2/tilt" and pids:
            stopped.append(pids[-1])
            os.kill(pids[-1], signal.SIGSTOP)
        if isinstance(event, ev.Log) and event.text.startswith("holding") and stopped:
            heard.append(ev.Log(0.0, "seen", f"chip at {session._reading.temperature_c:.0f} C"))
            os.kill(stopped[0], signal.SIGCONT)

    session.listeners.append(watch)
    assert clock.run(session.run()) is FinishReason.COMPLETED
    said = [e.text for e in heard if isinstance(e, ev.Log)]
    assert any(t.startswith("holding, the chip is off: no result yet of c01/NC2/tilt") for t in said)
    assert "chip at 25 C" in said
    assert any(t.startswith("steered heating ends: NC2 is alloyed to") for t in said)


def test_without_a_usable_result_it_pauses_and_a_resume_looks_again(session_file, tmp_path, monkeypatch):
    """The second decision is made blind here: the chip must not be heated again before a third."""
    import controller.heat.steered_heating as module

    real, asked = module.decide, []

    def blind_once(block, known):
        asked.append(known.pulses)
        if len(asked) == 2:
            return module.Decision("hold", "D of NC2 is not known: made up by this test")
        return real(block, known)

    monkeypatch.setattr(module, "decide", blind_once)
    heard: list[ev.Event] = []
    session, clock = session_in(session_file(**FEW_TILTS, **NO_PULSES), tmp_path / "s", heard.append)

    def watch(event: ev.Event) -> None:
        if isinstance(event, ev.RunStateChanged) and event.state == "paused":
            asyncio.get_running_loop().call_soon(session.engine.resume)

    session.listeners.append(watch)
    assert clock.run(session.run()) is FinishReason.COMPLETED
    assert asked[:3] == [0, 1, 1]
    assert any("resume takes one more tilt series" in e.text for e in heard if isinstance(e, ev.Log))
    heats = [r.step for r in records_of(tmp_path / "s", Heated)]
    assert "c02/heat" not in heats


def test_a_steered_block_is_checked_like_any_other(session_file):
    lines = "\n".join(timeline(checked_session(session_file(durations_s="[60.0]", **NO_PULSES))))
    assert "until: up to 6 pulses at 450 C until NC2 has 0.5 alloyed" in lines
    for old, new, words in (
        ("temperature_c = 450.0", "temperature_c = 700.0", "700"),
        ('particle = "NC2"', 'particle = "NC9"', "follows 'NC9'"),
        ("first_s = 20.0", "first_s = 20.0\nshortest_s = 900.0", "shortest_s must not be longer"),
    ):
        swapped = {k: v.replace(old, new) for k, v in NO_PULSES.items()}
        with pytest.raises(ConfigError, match=words):
            checked_session(session_file(durations_s="[60.0]", **swapped))
