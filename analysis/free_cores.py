"""As many threads as there are cores that nothing else wants.

Two threads that share a loop wait for each other at its end. Where a third process takes a core from one of them, both
together are slower than one alone, by up to three times; and what takes it may be the acquisition. Results do not
depend on how many there are.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_EVERY_S = 0.5
_MORE, _FEWER = 0.7, 0.4
"""Of a core that must be free for one more thread; of one that is missing for one less."""
_STAT = Path("/proc/stat")
_IDLE = (3, 4)
"""Among the times of a core: idle, and idle but for a disk."""


@dataclass(frozen=True)
class CoreTimes:
    """Seconds since some beginning."""

    at_s: float
    busy_s: float
    """Of all cores that this process may use, together, whoever used them."""
    own_s: float
    """Of this process."""


def threads_for(now: int, cores: int, since: CoreTimes, until: CoreTimes) -> int:
    """How many threads to use, after `now`; a core that others use by a third or so changes nothing."""
    passed_s = until.at_s - since.at_s
    if passed_s <= 0.0:
        return now
    others = max(0.0, (until.busy_s - since.busy_s) - (until.own_s - since.own_s)) / passed_s
    free = cores - others
    if free > now + _MORE:
        return min(cores, int(free + 1.0 - _MORE))
    if free < now - _FEWER:
        return max(1, int(free + _FEWER))
    return now


def core_times() -> CoreTimes:
    """By the kernel's account."""
    of, busy = os.sched_getaffinity(0), 0.0
    for line in _STAT.read_text().splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in of:
            busy += sum(int(t) for place, t in enumerate(ticks[:8]) if place not in _IDLE)
    return CoreTimes(time.monotonic(), busy / os.sysconf("SC_CLK_TCK"), time.process_time())


@contextmanager
def following_free_cores() -> Iterator[None]:
    """For a block of the main thread, in a process that does nothing else with its alarm signal; else, and where the
    system keeps no such account, nothing is changed."""
    import numba

    here = threading.current_thread() is threading.main_thread()
    if not (here and _STAT.is_file() and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL):
        yield
        return
    before = numba.get_num_threads()
    cores = min(len(os.sched_getaffinity(0)), before)
    last = core_times()

    def look(*_: object) -> None:
        nonlocal last
        try:
            now = core_times()
        except (OSError, ValueError):  # of the kernel's account; as many as before, then
            return
        numba.set_num_threads(threads_for(numba.get_num_threads(), cores, last, now))
        last = now

    # Numba's number of threads is each thread's own, so that no other one could set it between two loops.
    signal.signal(signal.SIGALRM, look)
    signal.siginterrupt(signal.SIGALRM, False)  # nor may it cut a library's reading or writing short
    # ZeroMQ's own time limits (RCVTIMEO) begin anew with every alarm: sockets are polled here.
    signal.setitimer(signal.ITIMER_REAL, _EVERY_S, _EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        numba.set_num_threads(before)
