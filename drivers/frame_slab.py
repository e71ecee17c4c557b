"""Frames' pixels through memory that processes of one computer share, instead of through a socket.

A ring: what was written first is written over first. Nobody waits for a reader: one that comes too late notices, and
asks for the frame again as for any that a socket has dropped. The memory has no name in any folder and is gone with the
last process that has it open, however that ends.
"""

from __future__ import annotations

import mmap
import os

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.errors import CorruptFrame

_BYTES = 1 << 27
_HEAD = 64
"""Bytes before the ring: how many were ever written, or begun to be, and up to which of these the first of its readers
has taken."""
_WRITTEN, _TAKEN = 0, 1
_NAME = "alloyscope-frames"
_FIT = 4
"""Frames at least; larger ones go through the socket."""
_LEAST = 1 << 16
"""So do smaller ones, for which a socket is as fast."""


class SlabPlace(msgspec.Struct, frozen=True):
    """Where pixels are."""

    memory: str
    """Of one process, as the operating system names it for the others of its owner."""
    at: int
    """Bytes of the ring that were ever written before."""
    length: int


class FrameSlab:
    """The writer's end."""

    def __init__(self, size: int = _BYTES) -> None:
        self._size = size
        self._file = os.memfd_create(_NAME)
        try:
            os.ftruncate(self._file, _HEAD + size)
            self._counts, self._ring = _opened(self._file)
        except OSError:
            os.close(self._file)
            raise
        self._memory = f"/proc/{os.getpid()}/fd/{self._file}"

    @classmethod
    def where_possible(cls) -> FrameSlab | None:
        """Only Linux has such memory, and not everywhere gives it; sockets do as well."""
        try:
            return cls() if hasattr(os, "memfd_create") else None
        except OSError:
            return None

    def put(self, pixels: memoryview) -> SlabPlace | None:
        """Write pixels; nothing where they would better go through a socket."""
        length = pixels.nbytes
        if not _LEAST <= length <= self._size // _FIT:
            return None
        at = int(self._counts[_WRITTEN])
        # Who keeps up has all frames in the same pages, a quarter of them so that a second reader may be a little late;
        # none of them is cut by the ring's end.
        if (self.unread == 0 and at % self._size >= self._size // _FIT) or at % self._size + length > self._size:
            at += -at % self._size
        self._counts[_WRITTEN] = at + length  # first, so that a reader of what was there sees that it is gone
        begin = at % self._size
        self._ring[begin : begin + length] = np.frombuffer(pixels, np.uint8)
        return SlabPlace(self._memory, at, length)

    @property
    def unread(self) -> int:
        """Bytes that no reader has taken yet, those skipped included."""
        return int(self._counts[_WRITTEN] - self._counts[_TAKEN])

    @property
    def size(self) -> int:
        return self._size

    def close(self) -> None:
        """Nothing can be put any more; readers keep what they have open."""
        if len(self._ring):
            os.close(self._file)
            self._counts, self._ring = np.empty(0, np.uint64), np.empty(0, np.uint8)


class SlabReader:
    """A reader's end of all slabs whose places it is told."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[NDArray[np.uint64], NDArray[np.uint8]]] = {}

    def take(self, place: SlabPlace) -> NDArray[np.uint8]:
        """The pixels, in memory of their own; raises `CorruptFrame` where they are not there, or not any more."""
        if place.memory not in self._open:
            self._open[place.memory] = _opened_of_other(place.memory)
        counts, ring = self._open[place.memory]
        begin, end = place.at % len(ring), place.at + place.length
        if place.at < 0 or not 0 <= place.length <= len(ring) - begin:
            raise CorruptFrame(f"shared memory of {len(ring)} bytes does not hold {place.length} at {place.at}")
        taken = ring[begin : begin + place.length].copy()
        if not end <= int(counts[_WRITTEN]) <= place.at + len(ring):
            raise CorruptFrame("the frame has been written over before it was taken")
        counts[_TAKEN] = max(int(counts[_TAKEN]), end)
        return taken


def _opened_of_other(memory: str) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Of another process; nothing else than such memory is opened, whatever path is told."""
    try:
        if not os.readlink(memory).startswith(f"/memfd:{_NAME}"):
            raise CorruptFrame(f"{memory} is no memory of frames")
        file = os.open(memory, os.O_RDWR | os.O_CLOEXEC)
        try:
            return _opened(file)
        finally:
            os.close(file)
    except (OSError, ValueError) as error:
        raise CorruptFrame(f"the memory of frames cannot be opened: {error}") from error


def _opened(file: int) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """The counts and the ring; unmapped when nobody has an array of them any more."""
    memory = mmap.mmap(file, 0)
    return np.frombuffer(memory, np.uint64, 2), np.frombuffer(memory, np.uint8, offset=_HEAD)
