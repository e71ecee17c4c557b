"""Ask again: a bus stumbles, a server is busy for a moment, and none of that should cost a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from drivers.clock import Clock
from drivers.errors import AlloyscopeError, DeviceError, LimitExceeded

T = TypeVar("T")

TRIES = 3
_PAUSE_S = 0.5


async def persistently(
    clock: Clock, call: Callable[[], Awaitable[T]], told: Callable[[str], None], *, tries: int = TRIES
) -> T:
    """Await a call that may be repeated, up to so many times.

    Raises
    ------
    Exception
        The last one of the driver; at once what no repetition can mend: a limit, an interlock, a wrong option.
    """
    for left in range(tries - 1, -1, -1):
        try:
            return await call()
        except Exception as error:
            if left == 0 or not is_transient(error):
                raise
            told(f"{str(error) or type(error).__name__}: asked again ({tries - left} of {tries - 1})")
            await clock.sleep(_PAUSE_S)
    raise AssertionError("the last try returns or raises")


def is_transient(error: Exception) -> bool:
    """Whether it may be another time; a vendor's own errors may."""
    if isinstance(error, DeviceError):
        return not isinstance(error, LimitExceeded)
    return not isinstance(error, AlloyscopeError)


class Setbacks:
    """Failures of something that goes on where it failed: borne until it fails `TRIES` times at one place."""

    def __init__(self) -> None:
        self._at: int | None = None
        self._there = 0

    def borne(self, error: Exception, at: int) -> bool:
        """Whether to go on after an error; `at` grows with what is done."""
        self._there = self._there + 1 if at == self._at else 1
        self._at = at
        return self._there < TRIES and is_transient(error)
