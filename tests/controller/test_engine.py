import asyncio
from collections.abc import Awaitable, Callable

import pytest

from controller.engine import Engine, FinishReason, RunState
from controller.plan.steps import Heat, Plan
from drivers.clock import SteppedClock


class Steps(Plan):
    def __init__(self, count: int) -> None:
        object.__setattr__(self, "_count", count)

    def steps(self):
        for i in range(self._count):
            yield Heat(f"s{i}", 100.0, 1.0, 1.0)


def drive(stepped, act: Callable[[Engine, SteppedClock], Awaitable[None]], step_s: float = 10.0):
    """Run three holds of ten seconds while `act` does something; returns (reason, states, steps, clock time)."""

    async def main(clock: SteppedClock):
        states: list[RunState] = []
        done: list[str] = []
        engine = Engine(clock, lambda s, _: states.append(s))

        async def execute(step: Heat) -> None:
            await engine.hold(step_s)
            done.append(step.id)

        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(engine.run(Steps(3), execute, lambda _: None))
            tasks.create_task(act(engine, clock))
        return run.result(), states, done, clock.now()

    return stepped(main)


async def reached(engine: Engine, state: RunState) -> None:
    """Real time, not the stepped clock's: that one stands still in a pause."""
    async with asyncio.timeout(10.0):
        while engine.state is not state:  # noqa: ASYNC110  # looked at from outside, as a person would
            await asyncio.sleep(0.001)


async def nothing(engine: Engine, clock: SteppedClock) -> None: ...


def test_a_plan_runs_to_its_end(stepped):
    assert drive(stepped, nothing) == (FinishReason.COMPLETED, [RunState.DONE], ["s0", "s1", "s2"], 30.0)


def test_a_pause_waits_for_the_step_and_the_clock_stands_still(stepped):
    async def act(engine: Engine, clock: SteppedClock) -> None:
        await clock.sleep(5.0)
        assert "pausing" in engine.pause()
        await reached(engine, RunState.PAUSED)
        at = clock.now()
        await asyncio.sleep(0.05)
        assert clock.now() == at == 10.0
        engine.resume()

    reason, states, done, end_s = drive(stepped, act)
    assert reason is FinishReason.COMPLETED
    assert states == [RunState.PAUSING, RunState.PAUSED, RunState.RUNNING, RunState.DONE]
    assert (done, end_s) == (["s0", "s1", "s2"], 30.0)


def test_an_abort_cuts_a_hold_short(stepped):
    async def act(engine: Engine, clock: SteppedClock) -> None:
        await clock.sleep(13.0)
        engine.abort("enough")
        assert "nothing" in engine.abort("again")
        assert "nothing" in engine.pause()

    reason, states, done, end_s = drive(stepped, act)
    assert reason is FinishReason.ABORTED
    assert states == [RunState.ABORTING, RunState.DONE]
    assert (done, end_s) == (["s0"], 13.0)


def test_a_paused_session_can_be_aborted(stepped):
    async def act(engine: Engine, clock: SteppedClock) -> None:
        engine.pause()
        await reached(engine, RunState.PAUSED)
        engine.abort("enough")

    reason, states, done, _ = drive(stepped, act)
    assert reason is FinishReason.ABORTED
    assert states[-2:] == [RunState.ABORTING, RunState.DONE]
    assert done == ["s0"]


def test_an_error_in_a_step_fails_the_run_and_is_raised(stepped):
    async def main(clock: SteppedClock) -> list[RunState]:
        states: list[RunState] = []
        engine = Engine(clock, lambda s, _: states.append(s))

        async def execute(_: object) -> None:
            raise OSError("stage jammed")

        with pytest.raises(OSError, match="jammed"):
            await engine.run(Steps(1), execute, lambda _: None)
        return states

    assert stepped(main) == [RunState.FAILED]
