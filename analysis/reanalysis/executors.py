"""Where particles are analysed: processes of this computer, or a dask cluster; the same function on the same data."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import active_children, get_context
from threading import Thread, current_thread, main_thread
from typing import Any, Protocol

from analysis.reanalysis.particle_task import AnalysedParticle, ParticleTask, analyse_particle
from drivers.errors import ConfigError

TRIES = 3
"""Of a particle whose worker dies, before it is given up: with the third it is the particle's doing."""
_ANSWER_S = 5.0
_ENDS_S = 10.0


class Executor(Protocol):
    """Analyses particles side by side."""

    def run(self, tasks: Sequence[ParticleTask]) -> Iterator[tuple[ParticleTask, AnalysedParticle]]:
        """Each as it is done, in any order; what a worker died of is its `problem`."""


class LocalProcesses:
    """So many processes of this computer, each with a core of its own.

    Every slot is a pool of one: when its process dies, that tells which particle it had.
    """

    def __init__(self, processes: int, work: Callable[[ParticleTask], AnalysedParticle] = analyse_particle) -> None:
        self._slots: list[ProcessPoolExecutor | None] = [None] * max(processes, 1)
        self._work = work

    def run(self, tasks: Sequence[ParticleTask]) -> Iterator[tuple[ParticleTask, AnalysedParticle]]:
        waiting = [(task, 1) for task in reversed(tasks)]
        running: dict[Future[AnalysedParticle], tuple[int, ParticleTask, int]] = {}
        try:
            while waiting or running:
                busy = {slot for slot, _, _ in running.values()}
                for slot in [n for n in range(len(self._slots)) if n not in busy][: len(waiting)]:
                    task, attempt = waiting.pop()
                    running[self._begun(slot, task)] = (slot, task, attempt)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    slot, task, attempt = running.pop(future)
                    try:
                        yield task, future.result()
                    except BrokenProcessPool:
                        self._drop(slot)
                        if attempt < TRIES:
                            waiting.append((task, attempt + 1))
                        else:
                            yield task, _lost(TRIES, "died, perhaps for lack of memory")
                    except Exception as error:  # noqa: BLE001  # one particle must not cost all others
                        yield task, _lost(1, f"failed ({type(error).__name__}: {error})")
        finally:
            self._end()

    def _begun(self, slot: int, task: ParticleTask) -> Future[AnalysedParticle]:
        pool = self._slots[slot]
        if pool is not None:
            try:
                return pool.submit(self._work, task)
            except BrokenProcessPool:  # it died with nothing to do
                self._drop(slot)
        pool = self._slots[slot] = ProcessPoolExecutor(1, get_context("spawn"), initializer=_on_one_core)
        with _deaf_to_ctrl_c():
            return pool.submit(self._work, task)

    def _end(self) -> None:
        for worker in active_children():  # they would still finish what nobody waits for
            worker.terminate()
        for slot in range(len(self._slots)):
            self._drop(slot)

    def _drop(self, slot: int) -> None:
        """Waited for: Python 3.11 fails at its exit where a thread of a pool is closing its pipe just then.

        Not for ever: one whose process ended in the middle of an answer waits for the rest of it.
        """
        pool, self._slots[slot] = self._slots[slot], None
        if pool is not None:
            ending = Thread(target=pool.shutdown, kwargs={"cancel_futures": True}, daemon=True)
            ending.start()
            ending.join(_ENDS_S)


class DaskCluster:
    """A dask.distributed cluster that runs already, by the address of its scheduler."""

    def __init__(self, address: str) -> None:
        try:
            distributed: Any = import_module("distributed")
        except ImportError:
            words = "takes dask.distributed, which is not installed: pip install 'alloyscope[cluster]'"
            raise ConfigError("--scheduler", [words]) from None
        try:
            self._client = distributed.Client(address, timeout=_ANSWER_S, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            words = f"no scheduler answers at {address} ({error}); start one with `dask scheduler`, or see its address"
            raise ConfigError("--scheduler", [words]) from None
        self._as_completed = distributed.as_completed

    def run(self, tasks: Sequence[ParticleTask]) -> Iterator[tuple[ParticleTask, AnalysedParticle]]:
        try:
            futures = {
                self._client.submit(analyse_particle, task, pure=False, retries=TRIES - 1): task for task in tasks
            }
            for future in self._as_completed(list(futures), loop=self._client.loop):
                error = future.exception()
                found = future.result() if error is None else _lost(TRIES, f"failed ({type(error).__name__}: {error})")
                yield futures[future], found
                future.release()
        finally:
            self._client.close()


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """For a process that is begun meanwhile, and stays so: Ctrl-C is for the one that was asked, which ends the others.

    They have kept how far they were. What comes meanwhile is not lost: it is heard right after.
    """
    if current_thread() is not main_thread():
        yield
        return
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    # What is blocked stays so in a process that is begun; what is caught does not.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, before)
    if heard:
        raise KeyboardInterrupt


def _on_one_core() -> None:
    import numba

    numba.set_num_threads(1)


def _lost(tries: int, how: str) -> AnalysedParticle:
    times = "" if tries == 1 else f" {tries} times"
    return AnalysedParticle(problem=f"its worker {how}{times}; analyse this source alone to see more")
