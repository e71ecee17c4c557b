"""Outlines of a session's frames, as they come: found, measured and followed from frame to frame."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from analysis.images.thumbnail import binned, stride_for
from analysis.particles.following import Event, Following, Seen
from analysis.particles.measurement import measured
from analysis.particles.outlines import Labels, best_method, outlines
from analysis.results import Outlined
from drivers.frames import Frame

_EVERY_S = 1.0
"""Of rest between two: the numbers of the session come first."""
_MOST_PX = 512
"""Of a side; larger frames are binned."""


class LiveOutlines:
    """Show it every frame; it finds the outlines in the latest when asked.

    Parameters
    ----------
    picture_px : longest side of the thumbnail that outlines are drawn on
    """

    def __init__(self, picture_px: int | None) -> None:
        self._picture_px = picture_px or _MOST_PX
        self._latest: Frame | None = None
        self._given_s = -_EVERY_S
        self._step = ""
        self._following = Following()
        self._method = best_method()

    def show(self, frame: Frame) -> None:
        self._latest = frame

    @property
    def due(self) -> bool:
        """Whether there is a frame to tell of, and time to."""
        return self._latest is not None and time.monotonic() - self._given_s >= _EVERY_S

    def results(self) -> list[Outlined]:
        """Of the latest frame; nothing where it has no contrast, or cannot be outlined at all."""
        frame, self._latest = self._latest, None
        try:
            return [] if frame is None else self._outlined(frame)
        except Exception:  # noqa: BLE001  # for the screen only: it must never end the analysis
            return []
        finally:
            self._given_s = time.monotonic()

    def _outlined(self, frame: Frame) -> list[Outlined]:
        header = frame.header
        if header.step != self._step:
            self._step, self._following = header.step, Following()
        image, times = binned(np.asarray(frame.image), _MOST_PX)
        labels = outlines(image, self._method)
        bodies = measured(image, labels, times * header.pixel_nm)
        seen = [Seen(b.y_px, b.x_px, b.diameter_nm.value / (times * header.pixel_nm)) for b in bodies]
        before, first = len(self._following.events), not self._following.tracks
        self._following.add(seen)
        events = [] if first else self._following.events[before:]
        middle = 0.5 * (np.array(labels.shape) - 1.0)
        nearest = min(bodies, key=lambda b: float(np.hypot(b.y_px - middle[0], b.x_px - middle[1])), default=None)
        rims = rims_of(labels, frame.image.shape, self._picture_px, times)
        return [
            Outlined(
                step=header.step,
                particle=header.particle,
                frame=header.index,
                found=len(bodies),
                touching=sum(b.touching for b in bodies),
                cut=sum(b.cut for b in bodies),
                diameter_nm=None if nearest is None else nearest.diameter_nm,
                happened=tuple(_words(e) for e in events),
                shape=rims.shape,
                rims=rims.tobytes(),
            )
        ]


def rims_of(labels: Labels, shape: tuple[int, ...], side_px: int, times: int = 1) -> NDArray[np.uint8]:
    """(y, x) of the thumbnail of a frame of that shape, so many times finer: 1 on each outline's innermost pixels."""
    stride = stride_for(shape, side_px)
    y, x = (np.minimum(np.arange(0, n, stride) // times, m - 1) for n, m in zip(shape, labels.shape, strict=True))
    small = np.pad(labels[y][:, x], 1, "edge")
    inner = small[1:-1, 1:-1]
    others = [small[:-2, 1:-1], small[2:, 1:-1], small[1:-1, :-2], small[1:-1, 2:]]
    return np.asarray((inner > 0) & np.any([o != inner for o in others], axis=0), np.uint8)


def _words(event: Event) -> str:
    into = "" if event.into is None else f" with particle {event.into}"
    return f"particle {event.name} {'is new' if event.what == 'new' else event.what}{into}"
