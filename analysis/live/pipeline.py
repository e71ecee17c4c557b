"""Frames in, results out: one class for live sessions, replays and old data."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.alloying.onset import OnsetAnalysis
from analysis.blas_thread import one_blas_thread
from analysis.diffusion.arrhenius import Followed, fit_arrhenius
from analysis.images.thumbnail import shrunk, stride_for
from analysis.live.faults import surviving
from analysis.live.live_map import LiveMap
from analysis.live.live_outlines import LiveOutlines
from analysis.live.particle_history import ParticleHistory
from analysis.live.settings import AnalysisSettings
from analysis.results import DiffusivityResult, Preview, Result, StateResult
from analysis.tomography.noise import darkest_level
from analysis.tomography.projector import Volume
from analysis.tomography.reconstruction import Reconstruction
from drivers.frames import Frame, FrameHeader, Recorded, SeriesEnd, StreamItem

_SLAB = 16
_PREVIEW_EVERY = 4
_PREVIEW_SHARE, _AHEAD_S = 0.3, 0.2
"""Of a tilt series' time that its previews may take, beside so many seconds."""
_PROVISIONAL_EVERY = 6
_PROVISIONAL_SHARE = 0.3
"""Of a tilt series' time that provisional degrees may take: a fast dry run gets none, a live session all."""
_FIRST_GUESS_S = 5.0


class Pipeline:
    """Feed it a session's stream in order; it gives results as soon as they exist.

    Parameters
    ----------
    settings : how to analyse; by default with seed 0 and nothing for a screen
    keep_volume : called with (step, volume, voxel in nm) after each tilt series
    """

    def __init__(
        self,
        settings: AnalysisSettings | None = None,
        *,
        keep_volume: Callable[[str, Volume, float], None] | None = None,
    ) -> None:
        self._settings = settings or AnalysisSettings()
        self.together: Callable[[Sequence[Followed]], Sequence[Followed]] | None = None
        """Of how far its particles have diffused makes that of all, where others analyse the rest."""
        self._picture_px = self._settings.picture_px
        self._keep_volume = keep_volume
        self._particles: dict[str, ParticleHistory] = {}
        self._onsets: dict[str, OnsetAnalysis] = {}
        self._frames: dict[str, list[Frame]] = {}
        self._maps: dict[str, LiveMap] = {}
        self._pending: LiveMap | None = None
        self._outlines = LiveOutlines(self._picture_px)
        self._running: tuple[str, Reconstruction, float] | None = None
        self._began_s = 0.0
        self._provisional_s = _FIRST_GUESS_S
        self._spent_s = 0.0
        self._previews_s = 0.0

    def feed(self, item: StreamItem) -> list[Result]:
        """Take the next item of the stream; a step is done with when its `StateResult` or `ImageResult` comes."""
        if isinstance(item, Frame) and item.photons is not None:
            self._add_to_map(item)
            return []
        if isinstance(item, Frame):
            frames = self._frames.setdefault(item.header.step, [])
            frames.append(item)
            if len(frames) == 1 and item.header.heat and item.header.particle in self._particles:
                with surviving(f"{item.header.step}, as it begins"), one_blas_thread():
                    self._particles[item.header.particle].foresee()
            if self._picture_px is None:
                return []
            if len(frames) == 1:
                self._began_s, self._previews_s, self._spent_s = time.monotonic(), 0.0, 0.0
            self._outlines.show(item)
            passing: list[Result] = []
            with surviving(f"{item.header.step}, while it is taken"):
                passing += self._preview_of(item, len(frames), self._picture_px)
                passing += self._provisional_of(item, frames)
            return passing
        return self._finish(item)

    def _finish(self, end: SeriesEnd) -> list[Result]:
        frames = self._frames.pop(end.step, [])
        self._running = None
        name = end.particle
        if end.what == "edx-map":
            return self._finish_map(end)
        if end.what == "image":
            return [self._onsets.setdefault(name, OnsetAnalysis(name)).add_image(frames, end)]
        if name not in self._particles:
            self._particles[name] = ParticleHistory(name, self._settings)
        particle = self._particles[name]
        with one_blas_thread():
            results = particle.add_series(frames, end)
        if self._keep_volume is not None and particle.last_volume is not None:
            self._keep_volume(end.step, particle.last_volume, frames[0].header.pixel_nm)
        states = [r for r in results if isinstance(r, StateResult)]
        together: list[Result] = []
        if self._picture_px is not None and particle.last_volume is not None:
            with surviving(f"{end.step}, its picture"):
                rows, used = frames[0].image.shape[0], states[0].frames
                together.append(_picture_of(particle.last_volume, frames[0].header, used, rows, self._picture_px))
        with surviving(f"{end.step}, all particles together"):
            followed: Sequence[Followed] = self.followed()
            if self.together is not None and any(isinstance(r, DiffusivityResult) for r in results):
                followed = self.together(followed)
            together += law_of(results, followed, self._settings)
        return [*(r for r in results if r not in states), *together, *states]

    def forget(self, particle: str) -> None:
        """Another analysis has it from now on, or this one reads it anew."""
        self._particles.pop(particle, None)
        self._onsets.pop(particle, None)
        for step in [s for s, frames in self._frames.items() if frames[0].header.particle == particle]:
            del self._frames[step]
        for step in [s for s, growing in self._maps.items() if growing.first.particle == particle]:
            if self._maps.pop(step) is self._pending:
                self._pending = None

    def _add_to_map(self, frame: Frame) -> None:
        """A frame of an EDX map is summed at once; what it tells is asked for when no other is waiting."""
        step = frame.header.step
        if step not in self._maps:
            self._maps[step] = LiveMap(frame)
        self._maps[step].add(frame)
        self._pending = self._maps[step] if self._picture_px is not None else None

    @property
    def pending(self) -> bool:
        """Whether there is a result to give when nothing waits: a running EDX map has grown, a frame has outlines."""
        return self._pending is not None or self._outlines.due

    def give_pending(self) -> list[Result]:
        """What the running EDX map tells so far, or the outlines in the latest frame."""
        growing, self._pending = self._pending, None
        with one_blas_thread():
            return list(self._outlines.results()) if growing is None else [growing.result(final=False)]

    def _finish_map(self, end: SeriesEnd) -> list[Result]:
        self._pending = None
        found = self._maps.pop(end.step, None)
        if found is None:
            raise ValueError(f"{end.step} ends without a frame")
        with one_blas_thread():
            return [found.result(final=True)]

    def followed(self) -> list[Followed]:
        """How far each heated particle has diffused, in the order in which they came."""
        return [f for p in self._particles.values() if (f := p.followed()) is not None]

    def unfinished(self, planned: Mapping[str, int]) -> list[SeriesEnd]:
        """End marks for series whose own mark never came (the session was cut); `planned` frames by step."""

        def cut(last: FrameHeader, frames: int, what: Recorded) -> SeriesEnd:
            return SeriesEnd(
                seq=last.seq + 1,
                step=last.step,
                particle=last.particle,
                frames=frames,
                planned=planned.get(last.step, frames),
                what=what,
            )

        series = [
            cut(frames[-1].header, len(frames), "image" if step.endswith("/image") else "tilt-series")
            for step, frames in self._frames.items()
            if frames
        ]
        return series + [cut(m.first, m.frames, "edx-map") for m in self._maps.values()]

    def _preview_of(self, frame: Frame, count: int, side_px: int) -> list[Result]:
        """One more iteration on a slab around the image's middle, roughly centred."""
        step, image = frame.header.step, np.asarray(frame.image, np.float32)
        if min(image.shape) < _SLAB or not np.isfinite(image).all():
            return []
        if self._running is None or self._running[0] != step:
            offset = frame.header.offset
            level = darkest_level(image[None]) if offset is None else offset
            self._running = (step, Reconstruction((image.shape[0], image.shape[0], _SLAB)), level)
        _, running, level = self._running
        signal = np.maximum(image - np.float32(level), 0.0)
        if running.shape[1] != signal.shape[0]:
            return []
        running.add(_centred_slab(signal), frame.header.tilt_deg)
        if self._late:
            return []
        began_s = time.monotonic()
        running.iterate(1)
        self._previews_s += time.monotonic() - began_s
        if count % _PREVIEW_EVERY:
            return []
        return [_preview(frame.header, count, running.volume()[:, :, _SLAB // 2], side_px)]

    @property
    def _late(self) -> bool:
        """Whether frames come faster than there is time for previews: what has waited is looked at when it is whole."""
        return self._previews_s > _AHEAD_S + _PREVIEW_SHARE * (time.monotonic() - self._began_s)

    def _provisional_of(self, frame: Frame, frames: list[Frame]) -> list[Result]:
        """The degree of alloying from the tilts so far, as often as there is time for it."""
        now = time.monotonic()
        particle = self._particles.get(frame.header.particle)
        allowed_s = _PROVISIONAL_SHARE * (now - self._began_s)
        late = self._spent_s + self._provisional_s > allowed_s
        if particle is None or len(frames) % _PROVISIONAL_EVERY or late:
            return []
        with one_blas_thread():
            found = particle.provisional(frames)
        self._provisional_s = time.monotonic() - now
        self._spent_s += self._provisional_s
        return [] if found is None else [found]


def law_of(new: Sequence[Result], together: Sequence[Followed], settings: AnalysisSettings) -> list[Result]:
    """After a new D: all particles together."""
    found = [r for r in new if isinstance(r, DiffusivityResult)]
    if not found or not together:
        return []
    law = fit_arrhenius(
        together, simulated=found[0].simulated, prior=settings.activation, uncertainty=settings.uncertainty
    )
    return [] if law is None else [law]


def _centred_slab(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """The middle columns of an image rolled so that its bright part is centred."""
    weight = np.where(signal > 0.3 * signal.max(), signal, 0.0)
    for axis in (0, 1):
        profile = weight.sum(axis=1 - axis)
        centre = float(profile @ np.arange(profile.size)) / max(float(profile.sum()), 1e-9)
        signal = np.roll(signal, round(0.5 * (profile.size - 1) - centre), axis)
        weight = np.roll(weight, round(0.5 * (profile.size - 1) - centre), axis)
    left = (signal.shape[1] - _SLAB) // 2
    return np.ascontiguousarray(signal[:, left : left + _SLAB])


def _picture_of(volume: Volume, header: FrameHeader, used: int, rows: int, side_px: int) -> Preview:
    """The cut (z, y) through the middle of what is bright, as far as running ones reach: dark around a window's."""
    bright = np.where(volume > 0.3 * volume.max(), volume, 0.0).sum(axis=(0, 1), dtype=np.float64)
    cut = volume[:, :, round(float(bright @ np.arange(bright.size)) / max(float(bright.sum()), 1e-9))]
    lacks = [max(0, rows - n) for n in cut.shape]
    return _preview(header, used, np.pad(cut, [(n // 2, n - n // 2) for n in lacks]), side_px, _brightest(cut))


def _preview(
    header: FrameHeader, frames: int, cut: NDArray[np.float32], side_px: int, top: float | None = None
) -> Preview:
    pixels = _as_picture(cut, side_px, top)
    return Preview(
        step=header.step,
        particle=header.particle,
        frames=frames,
        shape=pixels.shape,
        pixels=pixels.tobytes(),
        pixel_nm=header.pixel_nm * stride_for(cut.shape, side_px),
    )


def _as_picture(slice_: NDArray[np.float32], side_px: int, top: float | None = None) -> NDArray[np.uint8]:
    small = shrunk(slice_, stride_for(slice_.shape, side_px))
    top = _brightest(small) if top is None else top
    return np.asarray(np.clip(small * (255.0 / top if top > 0 else 0.0), 0, 255), np.uint8)


def _brightest(picture: NDArray[np.float32]) -> float:
    return float(np.percentile(picture, 99.5))
