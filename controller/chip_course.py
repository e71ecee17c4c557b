"""Temperature of a chip over a whole session, in as many readings as a screen can draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol, TypeVar, overload


class TimedTemperature(Protocol):
    """What is kept of."""

    @property
    def time_s(self) -> float: ...
    @property
    def temperature_c(self) -> float: ...


R = TypeVar("R", bound=TimedTemperature)

_LATE_S = 30.0
"""So much older than the newest one, a reading is of the same session, read by somebody else."""


class ChipCourse(Sequence[R]):
    """Newest readings as they came; of those before them the coldest and the hottest of each of so many stretches.

    Parameters
    ----------
    most : that are kept
    newest : of which are never thinned
    """

    def __init__(self, most: int = 3600, newest: int = 1200) -> None:
        self._most, self._newest = most, newest
        self._readings: list[R] = []

    def append(self, reading: R) -> None:
        """The next in time; one from before is of another session, or comes a little late, as the guard's last one."""
        if self._readings and reading.time_s < self._readings[-1].time_s:
            if self._readings[0].time_s < reading.time_s > self._readings[-1].time_s - _LATE_S:
                return
            self._readings.clear()
        self._readings.append(reading)
        if len(self._readings) > self._most:
            old, first_s = self._readings[1 : -self._newest], self._readings[0].time_s
            stretch_s = (old[-1].time_s - first_s) / max(1, (self._most - self._newest) // 4)
            stretches = groupby(old, lambda reading: int((reading.time_s - first_s) / max(stretch_s, 1e-9)))
            thinned = [reading for _, those in stretches for reading in _extremes(list(those))]
            self._readings = [self._readings[0], *thinned, *self._readings[-self._newest :]]

    def __len__(self) -> int:
        return len(self._readings)

    def __iter__(self) -> Iterator[R]:
        return iter(self._readings)

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> list[R]: ...
    def __getitem__(self, index: int | slice) -> R | list[R]:
        return self._readings[index]


def _extremes(group: list[R]) -> list[R]:
    """The coldest and the hottest, in their order."""
    order = sorted(range(len(group)), key=lambda n: group[n].temperature_c)
    return [group[n] for n in sorted({order[0], order[-1]})]
