"""Frames to disk, from one thread that owns the files. What it has acknowledged survives any crash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.record.disk import DiskWatch
from drivers.clock import Clock, utc_now
from drivers.errors import ConfigError, CorruptFrame, RecordingError
from drivers.frames import Frame
from drivers.recorded.folder import SessionFolder
from drivers.recorded.records import Begin
from drivers.recorded.session_index import add_to_session_index, write_session_index
from drivers.recorded.step_file import FinishedStep, StepFile
from drivers.recorded.step_layout import StepBegan

T = TypeVar("T")


class Recorder:
    """Writes each step into a file of its own and reads frames back on request."""

    def __init__(
        self,
        folder: SessionFolder,
        clock: Clock,
        steps: Mapping[int, str] = MappingProxyType({}),
        *,
        planned: int = 0,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`steps` : by their numbers, of the frames that are recorded already; `planned` : frames that are to come"""
        self.acquired: dict[int, str] = dict(steps)
        """Steps of all frames that were to be written, by their numbers."""
        self.unread: dict[int, str] = {}
        """Why frames cannot be read back, by their numbers."""
        self._disk, self._warn = DiskWatch(folder.path, planned), warn
        self._folder = folder
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._open: StepFile | None = None
        self._open_step = ""
        self._session: Begin | None = None
        self._began = StepBegan()
        self._broken: list[StepFile] = []
        self._steps: dict[int, str] = dict(steps)
        self._finished: FinishedStep | None = None

    async def begin(self, session: Begin) -> None:
        """Return when the folder has an index that says whose frames are to come."""
        self._session = session
        await self._do(lambda: write_session_index(self._folder, session))

    def begin_step(self, began: StepBegan) -> None:
        """The next frame is of this step."""
        self._began = began if self._session is None else replace(began, microscope=self._session.microscope)

    async def write(self, frame: Frame) -> None:
        """Return when the frame is written and flushed."""
        self.acquired[frame.header.seq] = frame.header.step
        for words in await self._do(lambda: self._write(frame)):
            self._warn(words)
        self._steps[frame.header.seq] = frame.header.step

    async def keep_overview(self, name: str, image: NDArray[np.generic], pixel_nm: float) -> None:
        """Return when the overview is in ``overviews/<name>.tif``."""
        await self._do(lambda: self._keep_overview(name, image, pixel_nm))

    async def end_step(self) -> None:
        """Close the step's file and force it to disk."""
        await self._do(self._end_step)

    async def read(self, seq: int) -> Frame:
        """Read a frame back, from the file being written or a finished one; raises `CorruptFrame` for a damaged one."""
        return await self._do(lambda: self._read(seq))

    async def close(self) -> None:
        try:
            await self._do(self._end_step)
            if self._session is not None:
                await self._do(lambda: write_session_index(self._folder, self._session, utc_now()))
        finally:
            self._let_go()
            self._thread.shutdown()

    def _keep_overview(self, name: str, image: NDArray[np.generic], pixel_nm: float) -> None:
        import tifffile

        path = self._folder.overview(name)
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, image, metadata={"pixel_nm": pixel_nm})

    async def _do(self, job: Callable[[], T]) -> T:
        with self._clock.working():
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, job)
            except (OSError, RuntimeError) as error:  # HDF5 tells of a full disk by RuntimeError
                raise RecordingError(
                    f"frames cannot be written to {self._folder.path} ({error}); "
                    "free space or mend the disk, then start again"
                ) from error

    def _write(self, frame: Frame) -> list[str]:
        size, began_s = frame.image.nbytes + (0 if frame.photons is None else frame.photons.nbytes), time.monotonic()
        self._disk.before(size)
        if self._open is None or self._open_step != frame.header.step:
            self._end_step()
            parts = len(self._folder.step_files(frame.header.step))
            path = self._folder.step_file(frame.header.step, parts + 1)
            self._open, self._open_step = StepFile(path, frame, self._began), frame.header.step
            # Now, so that what a crash leaves is linked as well.
            add_to_session_index(self._folder, path, self._session)
        self._open.append(frame)
        return list(self._disk.after(size, time.monotonic() - began_s))

    def _end_step(self) -> None:
        if self._open is not None:
            closing, self._open = self._open, None
            # A handle that fails to close is kept: HDF5 may crash the process when it is collected.
            self._broken.append(closing)
            closing.close()
            self._broken.remove(closing)

    def _read(self, seq: int) -> Frame:
        step = self._steps[seq]
        if self._open is not None and step == self._open_step and self._open.holds(seq):
            return self._open.read(seq)
        if self._finished is None or not self._finished.holds(seq):
            # One finished file stays open: a restarted worker asks for whole steps in order.
            self._let_go()
            self._finished = self._file_with(step, seq)
        try:
            return self._finished.read(seq)
        except OSError as error:
            self.unread[seq] = str(error)
            raise CorruptFrame(f"frame {seq} of {step} cannot be read back ({error})") from error

    def _file_with(self, step: str, wanted: int) -> FinishedStep:
        """The part of a step that holds this frame."""
        open_now = None if self._open is None else self._open.path
        for path in self._folder.step_files(step):
            if path == open_now:
                continue
            with suppress(OSError, KeyError, msgspec.DecodeError):  # a part that was cut before its first frame
                found = FinishedStep(path)
                if found.holds(wanted):
                    return found
                found.close()
        words = f"frame {wanted} is not in it any more; restore the file"
        raise ConfigError(str(self._folder.step_file(step)), [words])

    def _let_go(self) -> None:
        if self._finished is not None:
            self._finished.close()
            self._finished = None
