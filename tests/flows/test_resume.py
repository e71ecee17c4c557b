"""A session goes on after it was cut: nothing is repeated, nothing forgotten, and D is that of the uncut one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.reanalysis.offline import analyse
from controller.plan.check import checked_session
from controller.record.past import Past
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.errors import ConfigError, InterlockTripped
from drivers.frames import Frame
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal, records_of
from drivers.recorded.records import (
    FrameRecorded,
    HeatAsked,
    Heated,
    Record,
    Resumed,
    SeriesBegin,
    SeriesEnded,
    StepDone,
)
from drivers.recorded.session import read_session
from simulators.thermal_history import ThermalHistory
from tests.command import alloyscope
from tests.flows.recording import session_in

SHORT = {"durations_s": "[20.0, 40.0]", "step_deg": 4.0}
FRAMES = 36


def cut_at(monkeypatch: pytest.MonkeyPatch, folder: Path, cut: Path, kind: type[Record], number: int) -> None:
    """Keep the folder as it is on disk right after a record: what a power cut at that instant leaves."""
    write, seen = Journal.write, [0]

    def watched(journal: Journal, record: Record) -> None:
        write(journal, record)
        seen[0] += isinstance(record, kind)
        if isinstance(record, kind) and seen[0] == number:
            shutil.copytree(folder, cut)

    monkeypatch.setattr(Journal, "write", watched)


def resumed(folder: Path) -> Session:
    past = Past.read(folder)
    source, clock = SessionFolder(folder).session_file, SteppedClock(past.time_s)
    file = checked_session(source, origin=Path(past.begin.origin))
    session = Session(file, source, SessionFolder(folder), clock, past=past)
    clock.run(session.run())
    return session


def same(session: Session, whole: Session, folder: Path, *, exposures: float) -> None:
    """One ledger, one set of frames and one D, as if nothing had happened."""
    ledgers = [s.json()["ledger"]["NC2"] for s in (session, whole)]
    heat = [ledger["heat"][0]["duration_s"] for ledger in ledgers]
    assert heat[0] == pytest.approx(heat[1], abs=0.1)
    one = ledgers[1]["dose_e_per_nm2"] / (3 * FRAMES)
    assert ledgers[0]["dose_e_per_nm2"] == pytest.approx(ledgers[1]["dose_e_per_nm2"], abs=exposures * one + 1e-6)
    asked = [r.step for r in records_of(folder, HeatAsked)]
    assert asked == ["c01/heat", "c02/heat"]
    items = read_session(folder)
    assert [getattr(i, "header", i).seq for i in items] == list(range(3 * FRAMES + 3))
    tilts = [(i.header.step, round(i.header.tilt_deg)) for i in items if isinstance(i, Frame)]
    assert len(set(tilts)) == 3 * FRAMES
    d, expected = (s.json()["particles"]["NC2"]["diffusivity_m2_per_s"] for s in (session, whole))
    print("D apart by", (d["value"] - expected["value"]) / expected["std"], "sigma")
    # The frames after the cut have noise of their own: two such D scatter by up to the root of two of a sigma.
    assert abs(d["value"] - expected["value"]) < 3.0 * 2.0**0.5 * expected["std"]
    assert analyse(folder, lambda _: None)["particles"] == session.json()["particles"]


INSTANTS = [
    pytest.param(FrameRecorded, FRAMES + 10, id="in a series after heat"),
    pytest.param(HeatAsked, 2, id="before a pulse is given", marks=pytest.mark.slow),
    pytest.param(FrameRecorded, 5, id="in the first series", marks=pytest.mark.slow),
    pytest.param(StepDone, 2, id="right after a pulse", marks=pytest.mark.slow),
    pytest.param(SeriesBegin, 2, id="before the first frame of a series", marks=pytest.mark.slow),
    pytest.param(SeriesEnded, 2, id="after a series, before its step is over", marks=pytest.mark.slow),
    pytest.param(StepDone, 5, id="after the last step", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("kind", "number"), INSTANTS)
def test_a_power_cut_costs_nothing_but_the_frame_in_flight(session_file, tmp_path, monkeypatch, kind, number):
    whole, clock = session_in(session_file(**SHORT), tmp_path / "whole")
    cut_at(monkeypatch, tmp_path / "whole", tmp_path / "cut", kind, number)
    clock.run(whole.run())
    monkeypatch.undo()
    if kind is HeatAsked:
        lost = resumed(tmp_path / "cut").json()["ledger"]["NC2"]["heat"]
        assert [h["duration_s"] for h in lost] == [pytest.approx(20.0, abs=0.1)]
        assert [r.step for r in records_of(tmp_path / "cut", HeatAsked)] == ["c01/heat", "c02/heat"]
        (found,) = (r.found for r in records_of(tmp_path / "cut", Resumed))
        assert any("c02/heat was cut" in words and "never repeated" in words for words in found)
        return
    same(resumed(tmp_path / "cut"), whole, tmp_path / "cut", exposures=1.0)


@pytest.mark.slow
def test_an_aborted_session_goes_on_and_again_after_a_second_abort(session_file, tmp_path):
    folder = tmp_path / "s"
    whole, clock = session_in(session_file(**SHORT), tmp_path / "whole")
    clock.run(whole.run())

    def abort_after(session: Session, frames: int) -> Callable[[object], None]:
        def hear(_: object) -> None:
            if session.streams.next_seq >= frames:
                session.engine.abort("enough")

        return hear

    first, clock = session_in(session_file(**SHORT), folder)
    first.listeners.append(abort_after(first, 12))
    clock.run(first.run())
    past = Past.read(folder)
    source, clock = SessionFolder(folder).session_file, SteppedClock(past.time_s)
    file = checked_session(source, origin=Path(past.begin.origin))
    second = Session(file, source, SessionFolder(folder), clock, past=past)
    second.listeners.append(abort_after(second, FRAMES + 9))
    clock.run(second.run())
    same(resumed(folder), whole, folder, exposures=2.0)
    with pytest.raises(ConfigError, match="completed"):
        Past.read(folder)


def test_the_readings_tell_what_a_cut_pulse_was_worth(session_file, tmp_path, monkeypatch):
    """The guard went on reading after its controller had died: until the chip was cold."""
    whole, clock = session_in(session_file(**SHORT), tmp_path / "s")
    cut_at(monkeypatch, tmp_path / "s", tmp_path / "cut", HeatAsked, 2)
    clock.run(whole.run())
    (tmp_path / "cut" / "chip.csv").write_bytes((tmp_path / "s" / "chip.csv").read_bytes())
    pulse = Past.read(tmp_path / "cut").cut_pulse
    assert pulse is not None
    booked = records_of(tmp_path / "s", Heated)[1]
    assert (pulse.step, pulse.temperature_c) == ("c02/heat", 450.0)
    assert pulse.worth_s == pytest.approx(booked.worth_s, abs=0.1)
    assert pulse.duration_s == pytest.approx(booked.duration_s, abs=0.3)


@pytest.mark.slow
def test_a_hot_chip_is_not_gone_on_with(session_file, tmp_path, monkeypatch):
    whole, clock = session_in(session_file(**SHORT), tmp_path / "s")
    cut_at(monkeypatch, tmp_path / "s", tmp_path / "cut", FrameRecorded, 3)
    clock.run(whole.run())
    monkeypatch.undo()
    cut = tmp_path / "cut"
    ThermalHistory(cut).append([(Past.read(cut).time_s, 300.0)])
    with pytest.raises(InterlockTripped, match="found the chip at 300 C"):
        resumed(cut)
    refused = alloyscope("resume", cut, "--no-screen", cwd=tmp_path)
    assert refused.returncode == 2
    assert "found at 300 C, since when is not known" in refused.stderr
    assert "--accept" in refused.stderr
    accepted = alloyscope("resume", cut, "--no-screen", "--accept", "--json", tmp_path / "out.json", cwd=tmp_path)
    assert accepted.returncode == 0, accepted.stderr
    assert "accepted: the chip was found at 300 C" in accepted.stdout
    assert [r.step for r in records_of(cut, HeatAsked)] == ["c01/heat", "c02/heat"]
    assert "completed" in alloyscope("resume", cut, cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: b"", "had not begun"),
        (lambda text: text.replace(b'"step": "c01/heat"', b'"step": "c02/heat"', 1), "damaged"),
        (lambda text: text.replace(b', "crc"', b', "crd"', 1), "damaged"),
    ],
)
def test_what_cannot_go_on_says_why(recorded, session_file, tmp_path, damage, told):
    folder = recorded(session_file(durations_s="[20.0]", step_deg=4.0), tmp_path / "s").folder
    journal = SessionFolder(folder).journal
    journal.write_bytes(damage(journal.read_bytes()))
    with pytest.raises(ConfigError, match=told):
        Past.read(folder)
