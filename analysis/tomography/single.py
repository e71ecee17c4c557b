"""One tilt series from counts to volume, without a session around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.device import Device, check_device
from analysis.tomography.hot_pixels import without_hot_pixels
from analysis.tomography.noise import darkest_level
from analysis.tomography.projector import Stack, Volume
from analysis.tomography.reconstruction import Method, needed_bytes, reconstruct
from analysis.tomography.tilt_axis import axis_can_be_told, coarse_axis, turned
from analysis.tomography.tilt_series import aligned_stack, usable_images
from drivers.memory import memory_bytes

_FEWEST = 3
_NARROWEST_DEG = 10.0
_NEARER_TO_Y_DEG = 45.0
_DARKER = 2.0
"""How far the darkest lies below an image's border, against the brightest above it."""


@dataclass(frozen=True, eq=False)
class SingleReconstruction:
    """A volume and what it rests on."""

    volume: Volume
    """(z, y, x), the tilt axis along x; where it was nearer to y, x is the images' y and y their x."""
    tilts_deg: NDArray[np.float64]
    """Of the images that were used."""
    axis_deg: float
    """Where the tilt axis lay in the images, from x, counter-clockwise on the screen; it was turned onto x."""
    left_out: list[str]
    """Images that were not used, and why."""
    mended: list[str]
    """Images with pixels that were not used."""


def reconstruct_series(
    stack: NDArray[np.generic],
    tilts_deg: NDArray[np.float64],
    *,
    method: Method,
    iterations: int,
    aligned: bool = False,
    axis_deg: float | None = None,
    device: Device = "auto",
) -> SingleReconstruction:
    """Leave out what is no image, remove the background, turn the tilt axis onto x, align, reconstruct.

    Parameters
    ----------
    aligned : the images lie on one tilt axis already, in their middle
    axis_deg : the tilt axis from x, counter-clockwise on the screen; by default it is found, or, where `aligned`,
        along x
    device : where it is computed, see `projector_on`

    Raises
    ------
    ValueError
        In words for a user, for a series that cannot give a volume: see `problem_of`.
    """
    check_device(device)
    problem = problem_of(stack, tilts_deg)
    if problem is not None:
        raise ValueError(problem)
    used, left_out = usable_images(list(stack), tilts_deg.tolist())
    if used.sum() < _FEWEST:
        raise ValueError(f"only {used.sum()} of its {len(stack)} images can be used: {'; '.join(left_out[:3])}")
    tilts_deg = tilts_deg[used]
    intensity, hot = without_hot_pixels(stack[used].astype(np.float32))
    mended = [f"{t:.1f} deg: {n} hot pixel{'s' if n > 1 else ''}" for t, n in zip(tilts_deg, hot, strict=True) if n]
    intensity -= np.float32(darkest_level(intensity))
    if not aligned:
        found, jumped = aligned_stack(intensity, tilts_deg, axis_deg)
        intensity, tilts_deg, axis_deg = found.aligned, found.tilts_deg, found.axis_deg
        left_out += jumped
    elif axis_deg is None:
        axis_deg = coarse_axis(intensity) if axis_can_be_told(tilts_deg) else 0.0
        if axis_deg:
            words = f"its tilt axis is to lie along x, and the images say that it lies {axis_deg:g} deg from there"
            raise ValueError(f"{words}; give it with --axis-deg, or let it be found and the images be aligned")
    else:
        intensity = turned(intensity, axis_deg)
    volume = reconstruct(intensity, tilts_deg, iterations=iterations, method=method, device=device)
    if abs(axis_deg) > _NEARER_TO_Y_DEG:
        # Along the axis then runs as the image's rows do, and across it as its columns do.
        volume = np.ascontiguousarray(volume[:, :, ::-1])
    return SingleReconstruction(volume, tilts_deg, axis_deg, left_out, mended)


def problem_of(stack: NDArray[np.generic], tilts_deg: NDArray[np.float64]) -> str | None:
    """Why a tilt series (tilt, y, x) cannot give a volume: too few tilts, dark particles, or too large; else None."""
    if len(stack) < _FEWEST or np.ptp(tilts_deg) < _NARROWEST_DEG:
        words = f"{len(stack)} images from {tilts_deg.min():g} to {tilts_deg.max():g} deg are no tilt series"
        return f"{words}; give at least {_FEWEST}, over {_NARROWEST_DEG:g} deg or more, and the tilts in degrees"
    needed, there = needed_bytes(stack.shape), memory_bytes()
    if needed > there:
        size = f"{stack.shape[1]} x {stack.shape[1]} x {stack.shape[2]}"
        words = (
            f"a volume of {size} voxels takes {needed / 2**30:.1f} GiB to reconstruct, there are {there / 2**30:.1f}"
        )
        return f"{words} GiB; bin or crop the images"
    if _is_dark(stack.astype(np.float32)):
        return "its object is darker than what surrounds it: bright field? HAADF images are asked for, bright on dark"
    return None


def _is_dark(stack: Stack) -> bool:
    """Whether in most images what differs from the border is darker than it."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(stack, 1.0, axes=(1, 2))
    dark = 0
    for image in smooth:
        border = np.median(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]))
        lowest, highest = np.percentile(image, (0.5, 99.5))
        dark += bool(border - lowest > _DARKER * (highest - border))
    return 2 * dark > len(stack)
