"""Volumes as files: MRC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_volume(path: Path, volume: NDArray[np.float32], voxel_nm: float | None = None) -> None:
    """Write a volume (z, y, x) as MRC, completely or not at all."""
    import mrcfile

    part = path.with_name(path.name + ".part")
    with mrcfile.new(part, overwrite=True) as file:
        file.set_data(np.asarray(volume, np.float32))
        if voxel_nm is not None:
            file.voxel_size = voxel_nm * 10.0
    part.replace(path)
