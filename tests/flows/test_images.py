"""A staircase with one image after each stair, and a plan rehearsed before beam time."""

import json

import pytest

from analysis.reanalysis.offline import analyse
from analysis.results import ImageResult
from controller.cli import main
from controller.engine import FinishReason
from drivers.errors import ConfigError
from simulators.chip import SimulatedChip
from tests.flows.recording import session_in
from tests.flows.test_steered_heating import NO_PULSES

STAIRS = """
[[plan]]
kind = "image"

[[plan]]
kind = "staircase"
from_c = 150.0
to_c = 450.0
step_c = 100.0
hold_s = 300.0
after_each = "image"
"""
FINER = {"pixel_nm = 2.0": "pixel_nm = 1.0", "shape = [48, 48]": "shape = [96, 96]"}


def only_stairs(path):
    """The session file with its tilt series and pulses replaced."""
    text = path.read_text()
    path.write_text(text[: text.index("[[plan]]")] + STAIRS)
    return path


def test_a_staircase_tells_where_alloying_begins_live_and_from_the_recording(session_file, tmp_path):
    session, clock = session_in(only_stairs(session_file(**FINER)), tmp_path / "s")
    assert clock.run(session.run()) is FinishReason.COMPLETED
    told = session.json()["particles"]["NC2"]
    assert [i["heated_c"] for i in told["images"]] == [None, 150.0, 250.0, 350.0, 450.0]
    assert (told["onset_c"]["below"], told["onset_c"]["above"]) == (350.0, 450.0)
    assert sum(isinstance(r, ImageResult) for r in session.results) == 5
    assert analyse(tmp_path / "s", lambda _: None)["particles"] == session.json()["particles"]


def test_a_plan_is_rehearsed_and_a_better_one_proposed(session_file, tmp_path, monkeypatch, capsys):
    out = tmp_path / "plan.json"
    path = session_file(durations_s="[20.0, 200.0]")
    monkeypatch.setattr("sys.argv", ["alloyscope", "plan", str(path), "--improve", "--json", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    told = json.loads(out.read_text())
    assert 0.0 < told["sigma_d_percent"]["NC2"]["450"] < 5.0
    assert told["tilt_series"] == 3
    assert told["ledger"]["NC2"]["heat"][0]["duration_s"] == pytest.approx(220.0, abs=0.3)
    words = capsys.readouterr().out
    assert "sigma(D)" in words
    assert "electrons per nm2" in words
    if told["improved"] is not None:
        better, now = (told["improved"][k]["d_percent"]["NC2"] for k in ("expected", "expected_as_written"))
        assert better < now
        assert f"about {better:.2f} %" in words


def test_a_plan_never_touches_an_instrument(session_file, monkeypatch):
    from controller.plan.check import checked_session
    from controller.rehearsal import rehearse

    path = session_file()
    monkeypatch.setattr(SimulatedChip, "simulated", False)
    with pytest.raises(ConfigError, match="real instrument"):
        rehearse(checked_session(path), path, lambda _: None)


def test_a_rehearsal_that_would_wait_for_a_person_ends_and_says_so(session_file, monkeypatch):
    from controller import events as ev
    from controller.heat.steering import Decision
    from controller.plan.check import checked_session
    from controller.rehearsal import expectations, rehearse

    monkeypatch.setattr("controller.heat.steered_heating.decide", lambda *_: Decision("hold", "nothing is known"))
    path = session_file(durations_s="[60.0]", step_deg=10.0, **NO_PULSES)
    heard: list[ev.Event] = []
    rehearsal = rehearse(checked_session(path), path, heard.append)
    assert any(isinstance(e, ev.RunStateChanged) and "wait here for a person" in e.reason for e in heard)
    lines, told = expectations(checked_session(path), rehearsal, improve=True)
    assert told["improved"] is None
    assert any(line.startswith("no D") for line in lines)
