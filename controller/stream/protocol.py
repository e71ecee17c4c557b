"""What may be asked of a session and of its guard: the one list that the screen, the commands and the guard share.

A session also answers its analysis (`drivers.stream_requests`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from drivers.requests import Question
from drivers.stream_requests import OfAnalysis


class EventsSoFar(Question, frozen=True, kw_only=True, tag="events"):
    """Enough events to draw the screen as if one had watched from the start, one a part."""


class Endpoints(Question, frozen=True, kw_only=True, tag="endpoints"):
    """Addresses of all sockets."""


class Command(Question, frozen=True, kw_only=True, tag="command"):
    """Answered in words."""

    command: str
    """pause, resume, abort, stop; ``skip``, ``unskip``, ``change`` or ``repeat`` with a step; ``note`` with its text;
    of a session that watches also ``heat 450 15``"""


session_questions = msgspec.json.Decoder(OfAnalysis | EventsSoFar | Endpoints | Command)

analysis_questions = msgspec.json.Decoder(OfAnalysis)
"""What an analysis on another computer may ask."""


class GuardCall(Question, frozen=True, kw_only=True, tag="call"):
    """A call to the chip; ``ramp_to`` takes the target in C and the rate in C/s."""

    call: Literal["connect", "ramp_to", "quench", "read", "stop", "make_safe"]
    args: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        wanted = 2 if self.call == "ramp_to" else 0
        if len(self.args) != wanted:
            raise ValueError(f"{self.call} takes {wanted} numbers, not {len(self.args)}")


class Beat(Question, frozen=True, kw_only=True, tag="beat"):
    """The controller is alive; never answered."""


class Leave(Question, frozen=True, kw_only=True, tag="leave"):
    """Make the chip safe and end; never answered."""


guard_questions = msgspec.json.Decoder(GuardCall | Beat | Leave)
