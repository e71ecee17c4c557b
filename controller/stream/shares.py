"""Several analyses that share the particles of one session: who has which, and how far each particle has diffused.

A particle goes whole to one analysis, since each of its states needs those before; to the one that has the fewest. One
on this computer lives until its process is given up, one elsewhere as long as it is heard. What a dead one had goes to
those that live, which read the stream again from its begin for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from analysis.live.settings import AnalysisSettings
from analysis.results import AnyResult
from analysis.tomography.projector import Volume

UNHEARD_S = 30.0
"""After which an analysis on another computer is taken for dead."""
_LARGEST_MESSAGE, _LONGEST_NAME = 1 << 16, 100


class Shares:
    """Of the particles, in the order in which the stream met them."""

    def __init__(self, tell: Callable[[str], None], now_s: Callable[[], float] = time.monotonic) -> None:
        """`tell` : what a person should know, in words"""
        self._tell, self._now_s = tell, now_s
        self._owner: dict[str, str | None] = {}
        self._finished: dict[str, None] = {}
        self._here: set[str] = set()
        self._heard_s: dict[str, float] = {}
        self._diffused: dict[str, tuple[int, bytes]] = {}
        self._version = 0

    def begin(self, worker: str) -> None:
        """One on this computer is about to be started."""
        self._here.add(worker)

    def end(self, worker: str) -> None:
        """One on this computer is given up."""
        self._here.discard(worker)
        self._bury(worker)

    def check_name(self, worker: str) -> None:
        """Raises `ValueError`, in words, for a name by which an analysis cannot join."""
        if worker in self._here or worker in self._heard_s:
            raise ValueError(f"an analysis called {worker!r} takes part already; give another --name")
        if not 0 < len(worker) <= _LONGEST_NAME:
            raise ValueError(f"a name has 1 to {_LONGEST_NAME} characters, not {len(worker)}; give another --name")

    def hear(self, worker: str) -> None:
        """Of one that may be anywhere; when it is new it gets some of what others have."""
        if worker in self._here or len(worker) > _LONGEST_NAME:
            return
        new = worker not in self._heard_s
        self._heard_s[worker] = self._now_s()
        if new:
            self._tell(f"an analysis on another computer joins: {worker}")
            self._even_out(worker)

    @property
    def anybody(self) -> bool:
        """Whether anybody analyses."""
        self._look_around()
        return bool(self._here or self._heard_s)

    def meet(self, particle: str) -> None:
        """The stream has an item of it."""
        self._owner.setdefault(particle, None)

    def finish(self, particle: str) -> None:
        """The stream has a whole tilt series of it."""
        self._finished.setdefault(particle)

    def of(self, worker: str) -> tuple[str, ...]:
        """The particles that it has, once all that nobody has are given out."""
        self._look_around()
        living = sorted({*self._here, *self._heard_s})
        for particle, owner in self._owner.items():
            if owner is None and living:
                self._owner[particle] = min(living, key=lambda w: len(self._had_by(w)))
        return tuple(self._had_by(worker))

    def diffused(self, particle: str, pulses: int, how_far: bytes) -> tuple[int, list[bytes]]:
        """Take how far it has diffused after so many pulses; the number of what is known now, and the newest of every
        particle.

        Particles are in the order in which their first tilt series ended, which is that of one analysis, so that
        neither sums nor the window that others are compared with depend on who was faster.

        Raises
        ------
        ValueError
            For what is too large to tell of one particle.
        """
        if len(how_far) > _LARGEST_MESSAGE:
            raise ValueError(f"{len(how_far)} bytes are too many to tell how far a particle has diffused")
        if particle in self._owner and pulses >= self._diffused.get(particle, (0, b""))[0]:
            self._diffused[particle] = pulses, how_far
            self._version += 1
        return self._version, [self._diffused[p][1] for p in self._finished if p in self._diffused]

    def _had_by(self, worker: str) -> list[str]:
        return [particle for particle, owner in self._owner.items() if owner == worker]

    def _even_out(self, joined: str) -> None:
        """Particles of those that have two or more beyond what a new one has go to it, the last met first."""
        while True:
            living = {*self._here, *self._heard_s} - {joined}
            richest = max(sorted(living), key=lambda w: len(self._had_by(w)), default=joined)
            if len(self._had_by(richest)) - len(self._had_by(joined)) < 2:
                return
            self._owner[self._had_by(richest)[-1]] = joined

    def _look_around(self) -> None:
        for worker, heard_s in list(self._heard_s.items()):
            if self._now_s() - heard_s > UNHEARD_S:
                self._tell(f"the analysis on another computer, {worker}, is not heard any more; others do its part")
                del self._heard_s[worker]
                self._bury(worker)

    def _bury(self, worker: str) -> None:
        for particle in self._had_by(worker):
            self._owner[particle] = None


class AnalysisOfSession(Protocol):
    """What the sockets of a session ask of its analysis."""

    shares: Shares
    settings: AnalysisSettings
    token: str
    """By which results of the analysis are told from anybody else's."""

    @property
    def is_complete(self) -> bool:
        """Whether every finished recording has its result."""

    def take(self, result: AnyResult, after: int = 0) -> None:
        """A result has arrived; raises `OSError` where it cannot be kept.

        Parameters
        ----------
        after : of a law of all particles, the number by `Shares.diffused` that it knows of
        """

    async def take_volume(self, step: str, volume: Volume, voxel_nm: float) -> None:
        """A reconstruction has arrived; raises `ValueError` for a step that nobody recorded."""
