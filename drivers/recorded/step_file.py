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

if TYPE_CHECKING:
    import h5py

_headers = msgspec.json.Decoder(FrameHeader)


class StepFile:
    """One step's frames. Not thread-safe: it belongs to the recorder's thread."""

    def __init__(self, path: Path, first: Frame) -> None:
        import h5py
        import hdf5plugin

        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: h5py.File = h5py.File(path, "w")
        entry = self._file.create_group("entry")
        entry.attrs.update(NX_class="NXentry", default="data", simulated=first.header.simulated, step=first.header.step)
        data = entry.create_group("data")
        data.attrs.update(NX_class="NXdata", signal="data", axes=["tilt_deg", "y", "x"])
        shape = first.image.shape
        self._images: Any = data.create_dataset(
            "data",
            (0, *shape),
            first.image.dtype,
            maxshape=(None, *shape),
            chunks=(1, *shape),
            fletcher32=True,
            **hdf5plugin.Bitshuffle(cname="lz4"),
        )
        self._images.attrs.update(units="counts", note="bitshuffle-LZ4; readers need the hdf5plugin package")
        self._tilts: Any = data.create_dataset("tilt_deg", (0,), "f8", maxshape=(None,), chunks=(256,))
        self._tilts.attrs["units"] = "deg"
        self._headers: Any = entry.create_dataset("headers", (0,), h5py.string_dtype(), maxshape=(None,), chunks=(64,))
        self._photons: Any = None
        if first.photons is not None:
            photons = entry.create_group("photons")
            photons.attrs["note"] = "each is pixel * channels + channel; frame n's end before end_of_frame[n]"
            codec = hdf5plugin.Bitshuffle(cname="lz4")
            self._photons = photons.create_dataset(
                "photon", (0,), "u4", maxshape=(None,), chunks=(65536,), fletcher32=True, **codec
            )
            self._ends: Any = photons.create_dataset("end_of_frame", (0,), "i8", maxshape=(None,), chunks=(256,))
        self._rows: dict[int, int] = {}
        self._file.flush()

    def append(self, frame: Frame) -> None:
        """Write one frame and flush; when it returns, the frame survives the death of this process."""
        if frame.image.shape != self._images.shape[1:]:
            raise RecordingError(f"{self.path.name}: a frame of {frame.image.shape} among {self._images.shape[1:]}")
        row = self._images.shape[0]
        if (frame.photons is None) != (self._photons is None):
            raise RecordingError(f"{self.path.name}: a frame {'without' if frame.photons is None else 'with'} X-rays")
        if frame.photons is not None:
            before = self._photons.shape[0]
            self._photons.resize(before + len(frame.photons), axis=0)
            self._photons[before:] = frame.photons
            self._ends.resize(row + 1, axis=0)
            self._ends[row] = before + len(frame.photons)
        for dataset, value in (
            (self._images, frame.image),
            (self._tilts, frame.header.tilt_deg),
            (self._headers, msgspec.json.encode(frame.header, enc_hook=plain).decode()),
        ):
            dataset.resize(row + 1, axis=0)
            dataset[row] = value
        self._file.flush()
        self._rows[frame.header.seq] = row

    def holds(self, seq: int) -> bool:
        return seq in self._rows

    def read(self, seq: int) -> Frame:
        """Read a frame back through the open handle."""
        row = self._rows[seq]
        return _frame(self._file["entry"], row, _headers.decode(_text(self._headers[row])))

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
            rows = min(self._file["entry/headers"].shape[0], self._file["entry/data/data"].shape[0])
            texts = [_text(text) for text in self._file["entry/headers"][:rows]]
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
        return _frame(self._file["entry"], row, header)

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


def _frame(entry: h5py.Group, row: int, header: FrameHeader) -> Frame:
    photons = None
    if "photons" in entry:
        ends = entry["photons/end_of_frame"]
        photons = np.asarray(entry["photons/photon"][ends[row - 1] if row else 0 : ends[row]])
    return Frame(header, np.asarray(entry["data/data"][row]), photons)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
