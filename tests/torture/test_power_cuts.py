"""Power cuts at every line of a journal: each time the session goes on, repeats nothing and forgets nothing."""

import shutil
from pathlib import Path

import pytest

from controller.plan.dose import Dose
from controller.plan.steps import Plan
from controller.record.past import Past
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.frames import Frame, StreamItem
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal, read_journal, records_of
from drivers.recorded.records import Audited, End, HeatAsked, Heated, Record, StepDone
from drivers.recorded.session import read_session
from simulators.thermal_history import AMBIENT_C, ThermalHistory
from tests.torture.conftest import TORTURE
from tests.torture.rig import HEAT_S, NoAnalysis, file_of

EVERY = 1 if TORTURE > 1 else 7
"""Of the lines; all of them by ``make torture``."""
COOLED_S, SCANS_A_TILT = 5.0, 20
"""Between two frames that a sweep keeps."""


@pytest.fixture(autouse=True)
def nothing_is_analysed(monkeypatch) -> None:
    monkeypatch.setattr("controller.session.LiveAnalysis", NoAnalysis)


def session_at(folder: Path, mode: str, past: Past | None = None) -> Session:
    clock = SteppedClock() if past is None else SteppedClock(past.time_s)
    source = folder.parent / f"{folder.name}.toml" if past is None else SessionFolder(folder).session_file
    if past is None:
        source.write_text("# made by a test\n")
    session = Session(file_of((), (), mode), source, SessionFolder(folder), clock, past=past)
    clock.run(session.run())
    return session


def planned_tilts(items: list[StreamItem]) -> list[tuple[str, int]]:
    """Of all frames, step by step; a sweep comes near to those that were planned, 20 deg apart."""
    return sorted((i.header.step, 20 * round(i.header.tilt_deg / 20.0)) for i in items if isinstance(i, Frame))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["stepped", "continuous"])
def test_a_session_goes_on_after_a_power_cut_at_any_line(tmp_path, monkeypatch, tell, mode):
    folder, cuts = tmp_path / "whole", []
    write = Journal.write

    def watched(journal: Journal, record: Record) -> None:
        write(journal, record)
        lines = len(list(read_journal(folder))) if (folder / "journal.jsonl").exists() else 0
        if lines and (not cuts or lines > cuts[-1][0]):
            cuts.append((lines, tmp_path / f"cut{lines}"))
            if lines % EVERY == 0:
                shutil.copytree(folder, cuts[-1][1])

    monkeypatch.setattr(Journal, "write", watched)
    whole = session_at(folder, mode)
    monkeypatch.setattr(Journal, "write", write)
    expected = whole.ledger.dose_e_per_nm2
    one = Dose(whole.file).of_frame()
    tilts = planned_tilts(read_session(folder))
    heat_s = sum(p.duration_s for p in whole.ledger.heat)
    tried, farthest = 0, 0.0
    for lines, cut in cuts:
        if not cut.exists():
            continue
        last = list(read_journal(cut))[-1].record
        if isinstance(last, End):
            continue
        past = Past.read(cut)
        ThermalHistory(cut).append([(past.time_s + COOLED_S, AMBIENT_C)])  # the heater has lost its power, too
        session = session_at(cut, mode, past)
        where = f"cut after line {lines}, {last}"
        items = read_session(cut)
        assert [getattr(i, "header", i).seq for i in items] == list(range(len(items))), where
        assert planned_tilts(items) == tilts, where
        asked = [r.step for r in records_of(cut, HeatAsked)]
        assert len(asked) == len(set(asked)) == 2, where
        # A pulse that was asked for when the power went is over, and never given again.
        cut_pulse = last.step if isinstance(last, HeatAsked | Heated) else None
        done = {r.step for r in records_of(cut, StepDone)} | {cut_pulse}
        assert done >= {s.id for s in Plan(whole.file).steps()}, where
        lost_s = {"c01/heat": 20.0, "c02/heat": 40.0}[last.step] if isinstance(last, HeatAsked) else 0.0
        booked_s = sum(p.duration_s for p in session.ledger.heat) + lost_s
        assert booked_s == pytest.approx(heat_s, abs=2 * HEAT_S), where
        for particle, dose in expected.items():
            apart = (session.ledger.dose_e_per_nm2[particle] - dose) / one
            farthest = max(farthest, abs(apart))
            assert abs(apart) < (1.01 if mode == "stepped" else SCANS_A_TILT + 1.01), where
        (account,) = records_of(cut, Audited)[-1:]
        assert not account.missing, where
        tried += 1
        shutil.rmtree(cut)
    tell(f"power cuts, {mode}", tried, f"all go on; frames each once, dose within {farthest:.1f} exposures")
    assert tried > 5
