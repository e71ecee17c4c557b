"""A person changes what is left of a plan while the session is paused; it is done so, and so after a power cut."""

import asyncio
from pathlib import Path

import pytest

from controller import events as ev
from controller.engine import FinishReason, RunState
from controller.record.past import Past
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import records_of
from drivers.recorded.records import HeatAsked, PlanAmended, StepDone
from tests.torture.rig import NoAnalysis, file_of


@pytest.fixture(autouse=True)
def nothing_is_analysed(monkeypatch) -> None:
    monkeypatch.setattr("controller.session.LiveAnalysis", NoAnalysis)


def session_in(folder: Path, listen) -> Session:
    source = folder / "session.toml"
    source.write_text("# made by a test\n")
    return Session(file_of((), ()), source, SessionFolder(folder / "s"), SteppedClock(), [listen])


def run_amended(session: Session, commands: list[str], then: str = "resume") -> tuple[FinishReason, list[str]]:
    """Paused before the first pulse, told these, and then to go on."""
    answers: list[str] = []

    async def main() -> FinishReason:
        running = asyncio.create_task(session.run())
        await asyncio.sleep(0)
        await session.command("pause")
        while session.engine.state is not RunState.PAUSED:
            assert not running.done()
            await asyncio.sleep(0.001)
        answers.extend([await session.command(c) for c in commands])
        await session.command(then)
        return await running

    return session.clock.run(main()), answers


def test_the_next_pulse_is_changed_in_a_pause_and_another_cycle_skipped(tmp_path):
    told: list[ev.PlanTold] = []
    session = session_in(tmp_path, lambda e: told.append(e) if isinstance(e, ev.PlanTold) else None)
    commands = ["change c01/heat 430 7.5", "skip c02", "change c01/heat 900 1", "skip c07/heat"]
    reason, answers = run_amended(session, commands)
    assert reason is FinishReason.COMPLETED
    assert answers[0] == "c01/heat is now 430 C for 7.5 s"
    assert answers[1].startswith("c02/heat is skipped; c02/")
    assert answers[2].startswith("refused: c01/heat: 900 C was asked, the limits are")
    assert answers[3].startswith("refused: skip c07/heat: it is no step of this plan")
    (heat,) = records_of(session.folder.path, HeatAsked)
    assert (heat.step, heat.target_c, heat.duration_s) == ("c01/heat", 430.0, 7.5)
    assert [p.temperature_c for p in session.ledger.heat] == [430.0]
    assert not {r.step for r in records_of(session.folder.path, StepDone)} & {"c02/heat", "c02/A/tilt", "c02/B/tilt"}
    assert [s.skipped for s in told[-1].steps if s.step.startswith("c02")] == [True, True, True]
    assert session.progress.planned == 5


def test_what_was_amended_holds_after_the_session_goes_on(tmp_path):
    session = session_in(tmp_path, lambda _: None)
    reason, _ = run_amended(session, ["change c02/heat 430 7.5", "skip c01/heat"], then="abort")
    assert reason is FinishReason.ABORTED
    path = session.folder.path
    past = Past.read(path)
    assert [r.how for r in records_of(path, PlanAmended)] == ["changed", "skipped"]
    again = Session(
        file_of((), ()), session.folder.session_file, SessionFolder(path), SteppedClock(past.time_s), past=past
    )
    assert again.clock.run(again.run()) is FinishReason.COMPLETED
    (heat,) = records_of(path, HeatAsked)
    assert (heat.step, heat.target_c, heat.duration_s) == ("c02/heat", 430.0, 7.5)


def test_what_was_repeated_is_recorded_beside_it_also_after_the_session_goes_on(tmp_path):
    session = session_in(tmp_path, lambda _: None)
    commands = ["repeat c00/A/tilt", "repeat c01/heat", "repeat c09"]
    reason, answers = run_amended(session, commands, then="abort")
    assert reason is FinishReason.ABORTED
    assert answers[0].startswith("c00b/A/tilt repeats c00/A/tilt, after c00/")
    assert answers[2].startswith("refused: repeat c09: it is no step of this plan")
    refused = asyncio.run(session.command("repeat c00/A/tilt"))
    assert refused == "refused: the plan is over; repeat needs a session that runs"
    path = session.folder.path
    past = Past.read(path)
    again = Session(
        file_of((), ()), session.folder.session_file, SessionFolder(path), SteppedClock(past.time_s), past=past
    )
    assert again.clock.run(again.run()) is FinishReason.COMPLETED
    done = [r.step for r in records_of(path, StepDone)]
    assert len(done) == len(set(done))
    assert {"c00/A/tilt", "c00b/A/tilt"} <= set(done)
    pulses = [r.step for r in records_of(path, HeatAsked)]
    assert pulses == ["c01/heat", "c01b/heat", "c02/heat"]
