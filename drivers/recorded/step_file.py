"""A step's frames on disk: writer and reader.

One NeXus/HDF5 file per step, flushed after each frame (default library version: such files reopen after SIGKILL) and
fsynced when the step ends. Nobody else opens a file while it is written; live readers use the stream.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from drivers.errors import ConfigError, RecordingError
from drivers.frames import Frame, FrameHeader, plain
from drivers.recorded.nexus import valid_name
from drivers.recorded.step_layout import StepBegan, StepDatasets, columns_of, lay_out

if TYPE_CHECKING:
    import h5py

_headers = msgspec.json.Decoder(FrameHeader)


class StepFile:
    """One step's frames. Not thread-safe: it belongs to the recorder's thread.

    A NeXus file with one entry that is named as the file is, so that paths inside it also hold in the session's index.
    """

    def __init__(self, path: Path, first: Frame, began: StepBegan | None = None) -> None:
        import h5py

        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: h5py.File = h5py.File(path, "w")
        lay_out(self._file, valid_name(path.stem), first, began or StepBegan())
        self._at = StepDatasets.of(self._file)
        self._rows: dict[int, int] = {}
        self._file.flush()

    def append(self, frame: Frame) -> None:
        """Write one frame and flush; when it returns, the frame survives the death of this process."""
        at = self._at
        if frame.image.shape != at.images.shape[1:]:
            raise RecordingError(f"{self.path.name}: a frame of {frame.image.shape} among {at.images.shape[1:]}")
        row = at.images.shape[0]
        if (frame.photons is None) != (at.photon is None):
            raise RecordingError(f"{self.path.name}: a frame {'without' if frame.photons is None else 'with'} X-rays")
        if frame.photons is not None:
            before = at.photon.shape[0]
            at.photon.resize(before + len(frame.photons), axis=0)
            at.photon[before:] = frame.photons
            _add(at.end_of_frame, row, before + len(frame.photons))
        _add(at.images, row, frame.image)
        _add(at.tilts_deg, row, frame.header.tilt_deg)
        told = columns_of(frame.header)
        for name, column in at.columns.items():
            _add(column, row, told[name])
        # Last: a row without a header is not a frame.
        _add(at.headers, row, msgspec.json.encode(frame.header, enc_hook=plain).decode())
        self._file.flush()
        self._rows[frame.header.seq] = row

    def holds(self, seq: int) -> bool:
        return seq in self._rows

    def read(self, seq: int) -> Frame:
        """Read a frame back through the open handle."""
        row = self._rows[seq]
        return _frame(self._at, row, _headers.decode(_text(self._at.headers[row])))

    def close(self) -> None:
        """Close and force to disk."""
        self._file.close()
        with self.path.open("rb") as file:
            os.fsync(file.fileno())


class FinishedStep:
    """A closed or cut step file, whose frames are read one by one. Rows written without a header are not frames.

    Raises
    ------
    OSError
        For a file that cannot be opened, and by `read` for a damaged frame.
    KeyError, msgspec.DecodeError
        For one that holds something else.
    """

    def __init__(self, path: Path) -> None:
        import h5py
        import hdf5plugin  # noqa: F401  # registers the compression filter

        self._file: h5py.File = h5py.File(path, "r")
        try:
            at = self._at = StepDatasets.of(self._file)
            rows = min(at.headers.shape[0], at.images.shape[0])
            texts = [_text(text) for text in at.headers[:rows]]
            headers = ((row, _headers.decode(text)) for row, text in enumerate(texts) if text)
            self._rows = {header.seq: (row, header) for row, header in headers}
        except BaseException:
            self.close()
            raise

    @property
    def headers(self) -> list[FrameHeader]:
        """Of all frames, in order."""
        return [header for _, header in self._rows.values()]

    def holds(self, seq: int) -> bool:
        return seq in self._rows

    def read(self, seq: int) -> Frame:
        row, header = self._rows[seq]
        return _frame(self._at, row, header)

    def close(self) -> None:
        self._file.close()


OnDamage = Callable[[FrameHeader, str], None]
"""Hears of a frame whose pixels are damaged, and why."""


def read_step(path: Path, on_damage: OnDamage | None = None) -> Iterator[Frame]:
    """Frames of a closed or cut step file, in order.

    Parameters
    ----------
    on_damage : hears of a frame whose checksum is wrong, which is passed over then

    Raises
    ------
    ConfigError
        For a file that cannot be read, or, without `on_damage`, for a damaged frame.
    """
    try:
        with closing(FinishedStep(path)) as step:
            for header in step.headers:
                try:
                    frame = step.read(header.seq)
                except OSError as error:
                    if on_damage is None:
                        raise
                    on_damage(header, str(error))
                    continue
                yield frame
    except (OSError, KeyError, msgspec.DecodeError) as error:
        raise ConfigError(str(path), [f"cannot be read as recorded frames ({error}); restore the file"]) from error


def read_headers(path: Path) -> list[FrameHeader]:
    """Of the frames of a closed or cut step file; none where it was cut before its first."""
    try:
        with closing(FinishedStep(path)) as step:
            return step.headers
    except (OSError, KeyError, msgspec.DecodeError):
        return []


def _add(dataset: Any, row: int, value: Any) -> None:
    dataset.resize(row + 1, axis=0)
    dataset[row] = value


def _frame(at: StepDatasets, row: int, header: FrameHeader) -> Frame:
    photons = None
    if at.photon is not None:
        ends = at.end_of_frame
        photons = np.asarray(at.photon[ends[row - 1] if row else 0 : ends[row]])
    return Frame(header, np.asarray(at.images[row]), photons)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
