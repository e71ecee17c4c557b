"""Power cuts at every line of a journal: each time the session goes on, repeats nothing and forgets nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
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
from simulators.faults import FaultyMicroscope
from simulators.thermal_history import AMBIENT_C, ThermalHistory
from tests.torture.conftest import TORTURE
from tests.torture.rig import FRAME_S, HEAT_S, NoAnalysis, file_of, heat_given_s

EVERY = 1 if TORTURE > 1 else 7
"""Of the lines; all of them by ``make torture``."""
COOLED_S = 0.05
"""Of a chip whose heater has lost its power."""


@pytest.fixture(autouse=True)
def nothing_is_analysed(monkeypatch) -> None:
    monkeypatch.setattr("controller.session.LiveAnalysis", NoAnalysis)


def session_at(
    folder: Path, mode: str, past: Past | None = None, ready: Callable[[Session], None] = lambda _: None
) -> Session:
    clock = SteppedClock() if past is None else SteppedClock(past.time_s)
    source = folder.parent / f"{folder.name}.toml" if past is None else SessionFolder(folder).session_file
    if past is None:
        source.write_text("# made by a test\n")
    session = Session(file_of((), (), mode), source, SessionFolder(folder), clock, past=past)
    ready(session)
    clock.run(session.run())
    return session


def beam_on_s(session: Session) -> float:
    """As the microscope knows it."""
    beam = session.instruments.microscope
    assert isinstance(beam, FaultyMicroscope), "it was asked for"
    return beam.beam_on_s


def planned_tilts(items: list[StreamItem]) -> list[tuple[str, int]]:
    """Of all frames, step by step; a sweep comes near to those that were planned, 20 deg apart."""
    return sorted((i.header.step, 20 * round(i.header.tilt_deg / 20.0)) for i in items if isinstance(i, Frame))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["stepped", "continuous"])
def test_a_session_goes_on_after_a_power_cut_at_any_line(tmp_path, monkeypatch, tell, mode):
    folder, cuts, running = tmp_path / "whole", [], []
    write = Journal.write

    def watched(journal: Journal, record: Record) -> None:
        write(journal, record)
        lines = len(list(read_journal(folder))) if (folder / "journal.jsonl").exists() else 0
        if lines and (not cuts or lines > cuts[-1][0]):
            cuts.append((lines, tmp_path / f"cut{lines}", beam_on_s(running[0])))
            if lines % EVERY == 0:
                shutil.copytree(folder, cuts[-1][1])

    monkeypatch.setattr(Journal, "write", watched)
    whole = session_at(folder, mode, ready=running.append)
    monkeypatch.setattr(Journal, "write", write)
    one = Dose(whole.file).of_frame()
    tilts = planned_tilts(read_session(folder))
    doses, heats_s = [], []
    for lines, cut, before_s in cuts:
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
        booked_s = sum(p.duration_s for p in session.ledger.heat)
        heats_s.append(booked_s - heat_given_s(cut))
        given = (before_s + beam_on_s(session)) / FRAME_S
        doses.append(sum(session.ledger.dose_e_per_nm2.values()) / one - given)
        print(where, heats_s[-1], doses[-1])
        (account,) = records_of(cut, Audited)[-1:]
        assert not account.missing, where
        shutil.rmtree(cut)
    dose, heat_s = np.abs(doses).max(), np.abs(heats_s).max()
    told = f"dose within {dose:.2f} exposures and heat within {heat_s:.2f} s of what was given"
    tell(f"power cuts, {mode}", len(doses), f"all go on; frames each once, {told}")
    assert len(doses) > 5
    assert dose < 1.01
    assert heat_s < HEAT_S
