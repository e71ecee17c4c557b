"""The disk that a session is written to: whether it will be enough, and whether it keeps up."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

_SPARE_BYTES, _SPARE_FILES = 32 * 2**20, 64
"""Left free so that open files, journals and results can still be written whole."""
_SLOW_S = 2.0
_AGAIN_FRAMES = 200
"""Before a slow disk is told of once more."""


class DiskWatch:
    """Told of each frame as it is written; says each thing once, not with every frame.

    Parameters
    ----------
    planned : frames of the whole plan, as far as it is known
    """

    def __init__(self, folder: Path, planned: int) -> None:
        self._folder, self._left = folder, planned
        self._bytes = self._frames = 0
        self._told_full = False
        self._slow_at = -_AGAIN_FRAMES

    def before(self, frame_bytes: int) -> None:
        """Raise `OSError` (ENOSPC) while there is still room to close everything."""
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        if free < _SPARE_BYTES + 2 * frame_bytes:
            raise OSError(errno.ENOSPC, f"only {free // 2**20} MiB are left on the disk")
        if disk.f_files and disk.f_favail < _SPARE_FILES:  # some file systems count no files
            raise OSError(errno.ENOSPC, f"the disk has room for {disk.f_favail} more files only")

    def after(self, frame_bytes: int, took_s: float) -> Iterator[str]:
        """What a person should hear of now."""
        self._bytes += frame_bytes
        self._frames += 1
        self._left -= 1
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        to_come = max(0, self._left) * self._bytes // self._frames
        if not self._told_full and free < _SPARE_BYTES + to_come:
            self._told_full = True
            yield (
                f"the disk has {free / 1e9:.2f} GB free, up to {to_come / 1e9:.2f} GB are to come: "
                "free space, or the session will stop when it is full"
            )
        if took_s > _SLOW_S and self._frames - self._slow_at >= _AGAIN_FRAMES:
            self._slow_at = self._frames
            mb = frame_bytes / 1e6
            yield f"the disk took {took_s:.1f} s to write one frame of {mb:.1f} MB: frames wait for it"
