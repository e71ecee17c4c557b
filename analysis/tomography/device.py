"""Where projections are computed: on this machine's processor, or on its GPU where it has one."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.cuda_projector import CudaProjector, why_no_cuda
from analysis.tomography.projector import Projector

Device = Literal["auto", "cpu", "cuda"]
_WORTH_IT = 5_000_000
"""Voxels times tilts, below which sending them to a GPU and back takes longer than projecting them."""


def check_device(device: Device) -> None:
    """Raises `ValueError` when a GPU is asked for and there is none that can be used."""
    if device == "cuda" and (why := why_no_cuda()):
        raise ValueError(f"device 'cuda' was asked for, but {why}; use 'cpu', or 'auto' for what there is")


def projector_on(
    device: Device, tilts_deg: NDArray[np.float64], shape: tuple[int, int, int], rows: int | None = None
) -> Projector:
    """A projector of volumes of a shape (z, y, x) at these tilts.

    Parameters
    ----------
    device : "cuda", "cpu", or the GPU where there is one and it is worth it

    Raises
    ------
    ValueError
        When a GPU is asked for and there is none that can be used.
    """
    check_device(device)
    large = np.size(tilts_deg) * float(np.prod(shape)) > _WORTH_IT
    on_gpu = device == "cuda" or (device == "auto" and large and not why_no_cuda())
    return (CudaProjector if on_gpu else Projector)(tilts_deg, shape, rows)
