"""A session that is over, on the same screen: by its folder alone, read only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.images.thumbnail import binned
from analysis.report.story import SessionStory
from analysis.results import Preview, StateResult
from controller import events as ev
from drivers.recorded.records import StepDone

_MOST_READINGS = 3000
"""That a screen can draw."""


class FinishedSession:
    """Tells what a folder holds as if one had watched; nothing can be commanded."""

    def __init__(self, story: SessionStory) -> None:
        self._story = story
        self.lacks = "no frames are read of a session that is over"

    async def events(self) -> AsyncIterator[ev.Event | None]:
        for event in await asyncio.to_thread(lambda: list(self._told())):  # hundreds of files may be read
            yield event

    async def command(self, name: str) -> str:
        return f"{name}: the session is over, and nothing can be asked of it"

    def _told(self) -> Iterator[ev.Event]:
        story = self._story
        begin, end_s = story.begin, story.entries[-1].time_s
        steps = sum(isinstance(e.record, StepDone) for e in story.entries)
        yield ev.Started(begin.session, str(story.folder.path), begin.simulated, begin.particles, steps)
        readings = story.chip()
        for time_s, setpoint_c, temperature_c in readings[:: max(1, -(-len(readings) // _MOST_READINGS))].tolist():
            yield ev.ChipReading(time_s, temperature_c, setpoint_c, None)
        for happening in story.happenings():
            yield ev.Log(happening.time_s, "info", happening.words)
        yield from (ev.ResultReceived(result) for result in story.results)
        yield from self._slices()
        reason, _, message = story.ending.partition(": ")
        yield ev.RunStateChanged(end_s, "done" if story.over else "failed")
        yield ev.Finished(reason, message, str(story.folder.path))

    def _slices(self) -> Iterator[ev.Event]:
        """Of every state of each particle, of many the first and the last, in one scale."""
        half = ev.SLICES // 2
        for all_states in self._story.states.values():
            states = all_states if len(all_states) <= 2 * half else [*all_states[:half], *all_states[-half:]]
            found = [(s, self._story.middle_slice(s.step, 2)) for s in states]
            cuts = [
                (state, *binned(cut, ev.PICTURE_PX), voxel_nm)
                for state, (cut, voxel_nm) in ((s, f) for s, f in found if f is not None)
            ]
            top = max((float(cut.max()) for _, cut, *_ in cuts), default=0.0) or 1.0
            for state, cut, times, voxel_nm in cuts:
                pixels = (255.0 * np.clip(cut / top, 0.0, 1.0)).astype(np.uint8)
                yield ev.ResultReceived(_preview(state, pixels, times * voxel_nm))


def _preview(state: StateResult, pixels: NDArray[np.uint8], pixel_nm: float) -> Preview:
    return Preview(
        step=state.step,
        particle=state.particle,
        frames=state.frames,
        shape=(pixels.shape[0], pixels.shape[1]),
        pixels=pixels.tobytes(),
        pixel_nm=pixel_nm,
    )
