"""Of a session's particles those that this analysis has, where several share them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from analysis.diffusion.arrhenius import Followed
from analysis.live.followed_message import decode_followed, encode_followed
from analysis.live.pipeline import Pipeline
from analysis.results import Result
from drivers.frames import Frame, SeriesEnd, StreamItem
from drivers.requests import NoAnswer, Refused, RequestSocket
from drivers.stream_requests import Together

_ANSWER_S = 5.0
_LOOK_EVERY_S = 2.0
"""While items come without a pause."""


class SharedParticles:
    """Feeds a pipeline with the particles that are its own, each from its first item on, whenever it was given."""

    def __init__(
        self,
        pipeline: Pipeline,
        share: Callable[[], frozenset[str] | None],
        past: Callable[[int], Iterator[StreamItem]],
        send: Callable[[list[Result]], None],
    ) -> None:
        """
        Parameters
        ----------
        share : asks which particles are its own, none when the session is over; nothing when nobody answers
        past : the stream's items from its begin up to a number; raises `NoAnswer`
        send : sends results
        """
        self._pipeline, self._share, self._past, self._send = pipeline, share, past, send
        self._met: set[str] = set()
        self._had: set[str] = set()
        self._looked_s = time.monotonic()

    def feed(self, item: StreamItem, seq: int) -> None:
        """Take the next item of the stream, or leave it to others."""
        particle = particle_of(item)
        if particle not in self._met:
            self._met.add(particle)
            if particle in (self._share() or ()):
                self._had.add(particle)  # of which nothing came before
        elif time.monotonic() - self._looked_s > _LOOK_EVERY_S:
            self.look(seq)
        if particle in self._had:
            self._send(self._pipeline.feed(item))

    def look(self, until: int) -> None:
        """See what is its own; what is newly so is fed with all of it before that place in the stream."""
        share = self._share()
        if share is not None:
            for particle in self._had - share:
                self._pipeline.forget(particle)
            self._had &= share
            for particle in sorted((share & self._met) - self._had):
                self._take_over(particle, until)
        self._looked_s = time.monotonic()

    def _take_over(self, particle: str, until: int) -> None:
        try:
            for item in self._past(until):
                if particle_of(item) != particle:
                    continue
                self._send(self._pipeline.feed(item))
                if isinstance(item, SeriesEnd) and particle not in self._share_or({particle}):
                    break  # another one has it meanwhile, or all is done
            else:
                self._had.add(particle)
                return
        except NoAnswer:
            pass  # all of it once more, the next time
        self._pipeline.forget(particle)

    def _share_or(self, unknown: set[str]) -> frozenset[str] | set[str]:
        share = self._share()
        return unknown if share is None else share


class HowFarTogether:
    """Tells how far its particles have diffused, and hears the same of those of other analyses."""

    def __init__(self, requests: RequestSocket, token: str) -> None:
        self._requests, self._token = requests, token
        self.after = 0
        """The number of what was heard last, which a law made of it carries."""

    def __call__(self, own: Sequence[Followed]) -> list[Followed]:
        """Of all particles; of none where nobody answers, since a law of some would look like one of all."""
        heard: list[Followed] = []
        for one in own:
            question = Together(token=self._token, particle=one.particle, pulses=len(one.pulses))
            try:
                for value, parts in self._requests.ask(question, encode_followed(one), limit_s=_ANSWER_S):
                    self.after, heard = int(value), decode_followed(parts)
            except (NoAnswer, Refused):
                return []
        return heard


def particle_of(item: StreamItem) -> str:
    return item.header.particle if isinstance(item, Frame) else item.particle
