"""The same particles from image to image, through drift, jumps and gaps.

Between two images most particles move alike: by drift, or by a jump when the chip is heated. So the common shift comes
first, voted for by all pairs; then every particle goes to the nearest place that is left, of a size like its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_VOTE_PX = 2.0
"""Shifts nearer than this are one."""
_REACH = 0.6
"""Of the distance to its nearest neighbour: how far a particle may be from where the common shift puts it."""
_LEAST_REACH_PX = 4.0
_SIZES_APART = 0.3
"""Of ln diameter: sizes of one particle in two images differ by less, unless it has merged."""
_GAP = 10
"""Images in which a particle may be missing before it is lost."""
_MERGED = 0.25
"""How well the area of a new particle must be that of the two that are gone where it lies."""


@dataclass(frozen=True)
class Seen:
    """A particle in one image."""

    y_px: float
    x_px: float
    diameter_px: float


@dataclass(frozen=True)
class Track:
    """A particle that is being followed."""

    name: int
    last: Seen
    image: int
    """In which it was seen last."""
    missing: int = 0


@dataclass(frozen=True)
class Event:
    """What happened to a particle."""

    what: Literal["new", "lost", "merged"]
    name: int
    image: int
    into: int | None = None
    """Of a merged one: the particle that it is now part of."""


@dataclass
class Following:
    """Give it what was seen in each image, in order."""

    tracks: list[Track] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    shift_px: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    """Common shift (y, x) since the image before."""
    _image: int = -1
    _names: int = 0

    def add(self, seen: Sequence[Seen]) -> list[int]:
        """The name of each particle seen, in their order; a new one gets a new name."""
        self._image += 1
        places, sizes = _arrays(seen)
        before, sizes_before = _arrays([t.last for t in self.tracks])
        self.shift_px = common_shift(before, places, self.shift_px)
        pairs = _paired(before + self.shift_px, sizes_before, places, sizes)
        names = [-1] * len(seen)
        kept: list[Track] = []
        for number, track in enumerate(self.tracks):
            to = pairs.get(number)
            if to is not None:
                names[to] = track.name
                kept.append(Track(track.name, seen[to], self._image))
                continue
            moved = replace(
                track.last, y_px=track.last.y_px + self.shift_px[0], x_px=track.last.x_px + self.shift_px[1]
            )
            kept.append(replace(track, last=moved, missing=track.missing + 1))
        for number, particle in enumerate(seen):
            if names[number] < 0:
                names[number] = self._names
                kept.append(Track(self._names, particle, self._image))
                self.events.append(Event("new", self._names, self._image))
                self._names += 1
        self.tracks = self._without_lost(kept)
        return names

    def _without_lost(self, tracks: list[Track]) -> list[Track]:
        kept = []
        for track in tracks:
            host = _host(track, tracks) if track.missing == 1 else None
            if host is not None:
                self.events.append(Event("merged", track.name, self._image, host.name))
            elif track.missing > _GAP:
                self.events.append(Event("lost", track.name, self._image))
            else:
                kept.append(track)
        return kept


def common_shift(
    before: NDArray[np.float64], after: NDArray[np.float64], expected: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The shift (y, x) in px that most particles made; of several as good, the one nearest to what was expected."""
    if not len(before) or not len(after):
        return np.zeros(2)
    shifts = (after[None] - before[:, None]).reshape(-1, 2)
    from scipy.spatial import cKDTree

    tree = cKDTree(shifts)
    votes = np.array(tree.query_ball_point(shifts, _VOTE_PX, return_length=True))
    best = np.flatnonzero(votes == votes.max())
    nearest = best[np.argmin(np.hypot(*(shifts[best] - expected).T))]
    return np.asarray(shifts[tree.query_ball_point(shifts[nearest], _VOTE_PX)].mean(axis=0), np.float64)


def _paired(
    here: NDArray[np.float64], sizes_here: NDArray[np.float64], there: NDArray[np.float64], sizes: NDArray[np.float64]
) -> dict[int, int]:
    """Which goes to which, the whole of the distances being least."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial import cKDTree

    if not len(here) or not len(there):
        return {}
    distances, _ = cKDTree(here).query(here, [2])
    alone = np.asarray(distances, np.float64)[:, 0]
    reach = np.maximum(_REACH * np.where(np.isfinite(alone), alone, 1e6), _LEAST_REACH_PX)
    distance = np.hypot(*np.moveaxis(there[None] - here[:, None], -1, 0))
    unlike = np.abs(np.log(sizes[None] / sizes_here[:, None]))
    never = (distance > reach[:, None]) | (unlike > _SIZES_APART)
    cost = np.where(never, 1e6, distance + unlike * _LEAST_REACH_PX)
    rows, columns = linear_sum_assignment(cost)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if not never[r, c]}


def _host(track: Track, tracks: Sequence[Track]) -> Track | None:
    """The particle that has just come up where two are gone, with the area of both."""
    gone = [t for t in tracks if t.missing == 1 and t is not track]
    for host in tracks:
        near = np.hypot(host.last.y_px - track.last.y_px, host.last.x_px - track.last.x_px)
        if host.missing or near > 0.5 * host.last.diameter_px:
            continue
        for other in gone:
            away = np.hypot(host.last.y_px - other.last.y_px, host.last.x_px - other.last.x_px)
            both = track.last.diameter_px**2 + other.last.diameter_px**2
            if away < 0.5 * host.last.diameter_px and abs(both / host.last.diameter_px**2 - 1.0) < _MERGED:
                return host
    return None


def _arrays(seen: Sequence[Seen]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (particle, 2) in px and diameters."""
    places = np.array([(s.y_px, s.x_px) for s in seen], np.float64).reshape(-1, 2)
    return places, np.array([s.diameter_px for s in seen], np.float64)
