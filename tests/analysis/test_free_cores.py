"""Threads give way to whatever else wants a core, and come back."""

import subprocess
import sys

import numba
import pytest

from analysis.free_cores import CoreTimes, core_times, following_free_cores, threads_for

_NOTHING = CoreTimes(0.0, 0.0, 0.0)


def after(now: int, cores: int, others: float, own: float = 1.0, passed_s: float = 0.5) -> int:
    """With so many cores taken by others and by ourselves."""
    return threads_for(now, cores, _NOTHING, CoreTimes(passed_s, (others + own) * passed_s, own * passed_s))


@pytest.mark.parametrize("own", [0.0, 1.0, 2.0])
def test_a_taken_core_is_left_and_a_free_one_used(own):
    assert after(2, 2, others=0.0, own=own) == 2
    assert after(2, 2, others=1.0, own=own) == 1
    assert after(2, 2, others=2.0, own=own) == 1, "one at least"
    assert after(1, 2, others=1.0, own=own) == 1
    assert after(1, 2, others=0.0, own=own) == 2
    assert after(16, 16, others=6.0, own=own) == 10
    assert after(3, 16, others=2.0, own=own) == 14


def test_little_and_changing_work_beside_it_does_not_make_it_go_to_and_fro():
    for others in (0.0, 0.1, 0.25, 0.3, 0.35, 0.5, 0.9, 1.0):
        threads = 2
        for _ in range(5):
            before, threads = threads, after(threads, 2, others)
        assert threads == before, others
    assert after(2, 2, others=0.35) == 2
    assert after(1, 2, others=0.35) == 1


def test_an_account_that_stands_still_changes_nothing():
    assert threads_for(2, 2, _NOTHING, _NOTHING) == 2


def test_the_account_grows_with_work():
    first = core_times()
    while (now := core_times()).own_s < first.own_s + 0.3:
        sum(range(10_000))
    assert now.at_s > first.at_s
    assert now.busy_s - first.busy_s > 0.2  # in ticks of 10 ms


_FOLLOWS = """
import os, subprocess, sys
import numba
from analysis.free_cores import following_free_cores
all_of_them = numba.get_num_threads()
busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
try:
    with following_free_cores():
        while numba.get_num_threads() > 1:
            pass
finally:
    for process in busy:
        process.kill()
        process.wait()
print("gave way", numba.get_num_threads() == all_of_them)
"""


def test_a_process_beside_others_that_want_every_core_takes_one():
    done = subprocess.run([sys.executable, "-c", _FOLLOWS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "gave way True\n"), done.stderr


_IN_A_THREAD = """
import threading
from analysis.free_cores import following_free_cores
def follow():
    with following_free_cores():
        print("nothing changed")
thread = threading.Thread(target=follow)
thread.start()
thread.join()
"""


def test_beside_the_main_thread_nothing_is_changed():
    done = subprocess.run([sys.executable, "-c", _IN_A_THREAD], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing changed\n", "")


def test_an_alarm_that_is_somebody_elses_is_left_alone():
    """As here, where pytest has it."""
    before = numba.get_num_threads()
    with following_free_cores():
        assert numba.get_num_threads() == before
