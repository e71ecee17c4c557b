"""The blur of projections: a Gaussian over pixels, nothing beyond their edges."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from analysis.tomography.projector import Stack

_PIXEL_VARIANCE, _LEAST_VARIANCE = 1.0 / 12.0, 0.04
_REACH = 3.5
"""Standard deviations."""


def blurred(stack: Stack, blur_px: float) -> Stack:
    """Blur projections (tilt, y, x) of a volume to what a probe of this size sees; it is its own adjoint.

    Voxels and detector rows both average over a pixel across the axis; along it only one of them does, so less blur is
    left to add across.
    """
    across_px = float(np.sqrt(max(blur_px**2 - _PIXEL_VARIANCE, _LEAST_VARIANCE)))
    stack = np.ascontiguousarray(stack, np.float32)
    out = np.zeros_like(stack)
    _blur(stack, _weights(across_px), _weights(blur_px), out)
    return out


def blur_reach_px(blur_px: float) -> float:
    """How far from where it was some signal is still seen."""
    return _REACH * blur_px


def _weights(sigma_px: float) -> NDArray[np.float32]:
    """Of the pixels from the middle outwards; all of them, on both sides, add up to one."""
    at = np.arange(int(_REACH * sigma_px + 0.5) + 1)
    weights = np.exp(-0.5 * (at / sigma_px) ** 2)
    return np.asarray(weights / (2.0 * weights.sum() - 1.0), np.float32)


@nb.njit(cache=True, nogil=True, parallel=True, fastmath={"contract"})
def _blur(stack, across, along, out):  # type: ignore[no-untyped-def]  # kernel: numba types it
    nt, ny, nx = stack.shape
    beyond = along.size - 1
    for t in nb.prange(nt):
        line = np.zeros(nx + 2 * beyond, np.float32)
        for y in range(ny):
            for x in range(nx):
                line[beyond + x] = across[0] * stack[t, y, x]
            for k in range(1, across.size):
                w = across[k]
                if y >= k:
                    for x in range(nx):
                        line[beyond + x] += w * stack[t, y - k, x]
                if y + k < ny:
                    for x in range(nx):
                        line[beyond + x] += w * stack[t, y + k, x]
            for k in range(beyond + 1):
                w = along[k] if k else np.float32(0.5) * along[0]
                for x in range(nx):
                    out[t, y, x] += w * (line[beyond + x - k] + line[beyond + x + k])
