"""What is kept of a chip's temperature: the newest whole, of what is older its course, and all within bounds."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.chip_course import ChipCourse
from controller.monitor.panels.chip import gaps_in


@dataclass(frozen=True)
class Read:
    time_s: float
    temperature_c: float


def course_of(hours: float, pulse_s: float = 15.0, every_s: float = 1800.0) -> tuple[ChipCourse[Read], np.ndarray]:
    course, times = ChipCourse[Read](), np.arange(0.0, 3600.0 * hours, 1.0)
    hot = times % every_s > every_s - pulse_s
    for time_s, is_hot in zip(times, hot, strict=True):
        course.append(Read(float(time_s), 450.0 if is_hot else 25.0))
    return course, times


@pytest.mark.parametrize("hours", [0.5, 6.0, 48.0])
def test_every_pulse_of_a_long_session_is_still_there(hours):
    course, times = course_of(hours)
    assert len(course) <= 3600
    assert course[0].time_s == 0.0
    assert course[-1].time_s == times[-1]
    tops = {int(r.time_s // 1800.0) for r in course if r.temperature_c > 400.0}
    assert tops == set(range(int(hours * 2)))
    assert gaps_in([r.time_s for r in course]) == frozenset()


def test_a_true_gap_is_still_seen_when_what_is_around_it_is_thinned():
    course = ChipCourse[Read]()
    for time_s in [*range(9000), *range(30000, 39000)]:
        course.append(Read(float(time_s), 25.0))
    times = [r.time_s for r in course]
    (gap,) = gaps_in(times)
    assert times[gap] < 9000.0
    assert times[gap + 1] >= 30000.0


def test_few_readings_and_many_gaps_are_seen_as_what_they_are():
    few = [*range(8), *range(3600, 3608)]
    assert gaps_in([float(t) for t in few]) == {7}
    bursts = [300.0 * n + t for n in range(20) for t in range(15)]
    assert gaps_in(bursts) == set(range(14, 299, 15))
    assert gaps_in([]) == gaps_in([1.0]) == gaps_in([1.0, 2.0]) == frozenset()


def test_another_session_begins_anew():
    course = ChipCourse[Read]()
    for time_s in [*range(10000, 13600), *range(3000)]:
        course.append(Read(float(time_s), 25.0))
    assert [r.time_s for r in course] == [float(t) for t in range(3000)]


@given(
    st.lists(st.floats(20.0, 900.0), min_size=1, max_size=400),
    st.integers(8, 60),
)
def test_it_stays_in_order_within_bounds_with_its_first_its_newest_and_its_extremes(temperatures, most):
    course = ChipCourse[Read](most=most, newest=most // 3)
    readings = [Read(float(n), c) for n, c in enumerate(temperatures)]
    for reading in readings:
        course.append(reading)
    times = [r.time_s for r in course]
    assert times == sorted(set(times))
    assert len(course) <= most
    assert course[0] == readings[0]
    assert list(course[-(most // 3) :]) == readings[-(most // 3) :] or len(readings) <= most // 3
    assert max(r.temperature_c for r in course) == max(temperatures)
    assert min(r.temperature_c for r in course) == min(temperatures)


def test_a_reading_that_comes_late_costs_nothing_of_the_course():
    """The guard's last one, which a session tells at its end, may have been read before its own last one."""
    course = ChipCourse[Read]()
    for time_s in [*range(2369), 2367.9]:
        course.append(Read(float(time_s), 25.0))
    assert [r.time_s for r in course] == [float(t) for t in range(2369)]
    course.append(Read(0.0, 25.0))  # told from its beginning again
    assert [r.time_s for r in course] == [0.0]
