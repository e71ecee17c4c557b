"""Another computer's clock on the session's: by round trips, good to half of the shortest one."""

from __future__ import annotations

from collections import deque

_DRIFT = 1e-4
"""By which two monotonic clocks may run apart: a hundred millionths is more than quartz does."""
_KEPT = 240


class FarClock:
    """Offset of a clock that is read by asking for it.

    An answer that says `far_s`, asked for at `asked_s` and there at `answered_s`, was given somewhere between the two:
    the offset is that of their middle, wrong by half their distance at most.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float, float]] = deque(maxlen=_KEPT)
        """(when, offset, half the round trip)."""
        self._last_s = float("-inf")

    def add(self, asked_s: float, far_s: float, answered_s: float) -> None:
        middle_s = 0.5 * (asked_s + answered_s)
        self._seen.append((answered_s, middle_s - far_s, 0.5 * (answered_s - asked_s)))

    @property
    def known(self) -> bool:
        return bool(self._seen)

    def forget(self) -> None:
        """The other clock has begun anew."""
        self._seen.clear()

    def error_s(self, now_s: float) -> float:
        """Bound of what `session_s` may be wrong by; infinite before the first answer."""
        return min(
            (half_s + _DRIFT * (now_s - when_s) for when_s, _, half_s in tuple(self._seen)), default=float("inf")
        )

    def far_s(self, now_s: float) -> float:
        """What the other clock says now."""
        return now_s - self._offset_s(now_s)

    def session_s(self, far_s: float, now_s: float) -> float:
        """A time of the other clock on the session's; never before an earlier one, and never to come."""
        self._last_s = max(self._last_s, min(far_s + self._offset_s(now_s), now_s))
        return self._last_s

    def _offset_s(self, now_s: float) -> float:
        return min(tuple(self._seen), key=lambda seen: seen[2] + _DRIFT * (now_s - seen[0]))[1]
