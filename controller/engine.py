"""Runs a plan's steps, and is the one place that knows whether the session runs, pauses or ends.

::

                pause()            at the next safe point
      RUNNING ----------> PAUSING ----------------------> PAUSED
        | ^                  |  resume()                    |
        | +------------------+<-----------------------------+
        |
        | abort()  (from RUNNING, PAUSING or PAUSED)
        +----------> ABORTING ---> DONE (aborted)
        | plan at its end --------> DONE (completed)
        | error, emergency stop --> FAILED

A tilt series pauses between two tilts. A heat pulse cannot be undone: it ends before a pause takes hold, and is cut
short only by abort or emergency stop, which quench the chip at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from controller.plan.steps import Step
from drivers.clock import Clock
from drivers.errors import AlloyscopeError, ungrouped

T = TypeVar("T")


class RunState(StrEnum):
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    ABORTING = "aborting"
    DONE = "done"
    FAILED = "failed"


class FinishReason(StrEnum):
    COMPLETED = "completed"
    ABORTED = "aborted"


class Aborted(AlloyscopeError):
    """Unwinds a step after an abort; never leaves the engine."""


class HasSteps(Protocol):
    """A plan, whole or as it is amended while it runs."""

    def steps(self) -> Iterator[Step]: ...


class Engine:
    """Runs each step with `execute`; the step calls `checkpoint` wherever it may stop."""

    def __init__(self, clock: Clock, on_state: Callable[[RunState, str], None]) -> None:
        self.state = RunState.RUNNING
        self._clock = clock
        self._on_state = on_state
        self._resumed = asyncio.Event()
        self._wake: set[asyncio.Event] = set()

    async def run(
        self, plan: HasSteps, execute: Callable[[Step], Awaitable[None]], on_step: Callable[[Step], None]
    ) -> FinishReason:
        """Run the plan to its end or to an abort; errors of a step are raised after the state is FAILED."""
        try:
            steps = plan.steps()
            while True:
                await self.checkpoint()
                step = next(steps, None)  # only now: in a pause the next step may be changed
                if step is None:
                    break
                on_step(step)
                await execute(step)
        except Aborted:
            self._become(RunState.DONE, "aborted")
            return FinishReason.ABORTED
        except asyncio.CancelledError:
            self._become(RunState.FAILED, "ended by what is told at the session's end")
            raise
        except BaseException as error:
            self._become(RunState.FAILED, str(error) or type(error).__name__)
            raise
        self._become(RunState.DONE, "completed")
        return FinishReason.COMPLETED

    def pause(self) -> str:
        if self.state is not RunState.RUNNING:
            return f"nothing to pause: the session is {self.state}"
        self._resumed.clear()
        self._become(RunState.PAUSING, "")
        return "pausing at the next safe point"

    def resume(self) -> str:
        if self.state not in (RunState.PAUSING, RunState.PAUSED):
            return f"nothing to resume: the session is {self.state}"
        self._become(RunState.RUNNING, "")
        self._resumed.set()
        return "running"

    def abort(self, reason: str) -> str:
        if self.state in (RunState.ABORTING, RunState.DONE, RunState.FAILED):
            return f"nothing to abort: the session is {self.state}"
        self._become(RunState.ABORTING, reason)
        self._resumed.set()
        for event in self._wake:
            event.set()
        return "aborting"

    async def checkpoint(self, *, may_pause: bool = True) -> None:
        """A point where the session may pause or end: waits while paused, raises `Aborted` after an abort."""
        if may_pause and self.state is RunState.PAUSING:
            self._become(RunState.PAUSED, "")
            # A paused dry run must not let its stepped clock run away.
            with self._clock.working():
                await self._resumed.wait()
        if self.state is RunState.ABORTING:
            raise Aborted

    async def hold(self, seconds: float) -> None:
        """Sleep that an abort cuts short (raising `Aborted`) and a pause does not."""
        over = asyncio.Event()
        timer = self._clock.call_later(seconds, over.set)
        await self._wait(over)
        timer.cancel()

    async def unless_aborted(self, call: Coroutine[Any, Any, T]) -> T:
        """Run a call that an abort cuts short (raising `Aborted`)."""
        over = asyncio.Event()
        self._wake.add(over)
        try:
            with ungrouped():
                async with asyncio.TaskGroup() as tasks:
                    task = tasks.create_task(call, name="until aborted")
                    task.add_done_callback(lambda _: over.set())
                    if self.state is not RunState.ABORTING:
                        await over.wait()
                    task.cancel()
        finally:
            self._wake.discard(over)
        if self.state is RunState.ABORTING:
            raise Aborted
        return task.result()

    async def wait_for(self, condition: asyncio.Event) -> None:
        """Wait for something real, the clock standing still; an abort cuts it short."""
        with self._clock.working():
            await self._wait(condition)

    async def _wait(self, event: asyncio.Event) -> None:
        self._wake.add(event)
        try:
            if self.state is not RunState.ABORTING:
                await event.wait()
        finally:
            self._wake.discard(event)
        if self.state is RunState.ABORTING:
            raise Aborted

    def _become(self, state: RunState, reason: str) -> None:
        self.state = state
        self._on_state(state, reason)
