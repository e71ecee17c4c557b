"""A session that is over, on the same screen: by its folder alone, read only."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress

import msgspec
import numpy as np
from numpy.typing import NDArray

from analysis.images.thumbnail import binned, stride_for, thumbnail
from analysis.report.story import SessionStory
from analysis.results import Preview, StateResult
from controller import events as ev
from drivers.recorded.records import Exposed, FrameRecorded, Heated, StepDone
from drivers.recorded.step_file import FinishedStep

_MOST_READINGS = 3000
"""That a screen can draw."""


class FinishedSession:
    """Tells what a folder holds as if one had watched; nothing can be commanded."""

    def __init__(self, story: SessionStory) -> None:
        self._story = story
        self.lacks = "this session has none on its screen; see its report"

    async def events(self) -> AsyncIterator[ev.Event | None]:
        for event in await asyncio.to_thread(lambda: list(self._told())):  # hundreds of files may be read
            yield event

    async def command(self, name: str) -> str:
        return f"{name}: the session is over, and nothing can be asked of it"

    def _told(self) -> Iterator[ev.Event]:
        story = self._story
        begin, end_s = story.begin, story.entries[-1].time_s
        progress, planned = self._plan()
        yield ev.Started(begin.session, str(story.folder.path), begin.simulated, begin.particles, len(planned))
        yield ev.PlanTold(tuple(planned))
        if progress is not None:
            yield progress
        readings = story.chip()
        for time_s, setpoint_c, temperature_c in readings[:: max(1, -(-len(readings) // _MOST_READINGS))].tolist():
            yield ev.ChipReading(time_s, temperature_c, setpoint_c, None)
        told = [(h.time_s, h.words) for h in story.happenings()]
        told += [(e.time_s, f"{e.record.step} is over") for e in story.entries if isinstance(e.record, StepDone)]
        for time_s, words in sorted(told):
            yield ev.Log(time_s, "info", words)
        yield from self._last_frame()
        yield from (ev.ResultReceived(result) for result in story.results)
        yield from self._slices()
        reason, _, message = story.ending.partition(": ")
        yield ev.RunStateChanged(end_s, "done" if story.over else "failed")
        yield ev.Finished(reason, message, str(story.folder.path))

    def _plan(self) -> tuple[ev.StepProgress | None, list[ev.PlannedStep]]:
        """Steps as they went, and that of the last; a plan that was cut off is told as far as it came."""
        begins_s, words = 0.0, defaultdict[str, str](str)
        dose: defaultdict[str, float] = defaultdict(float)
        heat: defaultdict[float, float] = defaultdict(float)
        frames: defaultdict[str, int] = defaultdict(int)
        planned: list[ev.PlannedStep] = []
        for time_s, record in ((e.time_s, e.record) for e in self._story.entries):
            match record:
                case Heated():
                    words[record.step] = f"heat {record.temperature_c:g} C {record.duration_s:.4g} s"
                    heat[record.temperature_c] += record.worth_s
                case Exposed():
                    dose[record.particle] += record.electrons_per_nm2
                case FrameRecorded():
                    frames[record.step] += 1
                    words[record.step] = f"{frames[record.step]} frame{'s' if frames[record.step] > 1 else ''}"
                case StepDone():
                    planned.append(ev.PlannedStep(record.step, words[record.step], time_s - begins_s))
                    begins_s = time_s
        if not planned:
            return None, planned
        number = len(planned)
        last = ev.StepProgress(begins_s, planned[-1].step, number, number, 1, 1, 0.0, None, dict(dose), dict(heat))
        return last, planned

    def _last_frame(self) -> Iterator[ev.Event]:
        """None where its file is gone or damaged."""
        last = next((e.record for e in reversed(self._story.entries) if isinstance(e.record, FrameRecorded)), None)
        if last is None:
            return
        with suppress(OSError, KeyError, msgspec.DecodeError):
            for path in self._story.folder.step_files(last.step):
                with closing(FinishedStep(path)) as step:
                    if not step.holds(last.seq):
                        continue
                    frame = step.read(last.seq)
                    pixels = thumbnail(frame.image, ev.PICTURE_PX)
                    pixel_nm = frame.header.pixel_nm * stride_for(frame.image.shape, ev.PICTURE_PX)
                    yield ev.Picture(
                        last.step, last.tilt_deg, pixels.shape, pixels.tobytes(), frame.header.index, pixel_nm
                    )

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
