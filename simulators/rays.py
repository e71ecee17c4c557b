"""The twin's projector: rays sampled through the volume with bilinear interpolation.

At tilt ``t`` a ray at height s (y, nm from the tilt axis) passes the points
``y = s cos t - w sin t``, ``z = s sin t + w cos t`` for every w along the beam. Nothing is shared with the
analysis, which spreads voxels onto detector rows instead.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray


def line_integrals(
    volume: NDArray[np.float32],
    voxel_nm: float,
    centre_nm: tuple[float, float],
    tilt_deg: float,
    heights_nm: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Integrals along the beam in value times nm, (height, x).

    Parameters
    ----------
    volume : (z, y, x)
    centre_nm : (z, y) of the volume's centre, from the tilt axis
    heights_nm : (height,) of the rays, from the tilt axis
    """
    tilt = np.radians(tilt_deg)
    out = np.zeros((heights_nm.size, volume.shape[2]), np.float32)
    reach_nm = 0.5 * voxel_nm * float(np.hypot(volume.shape[0], volume.shape[1]))
    _sample(volume, out, heights_nm, np.cos(tilt), np.sin(tilt), centre_nm[0], centre_nm[1], voxel_nm, reach_nm)
    return out


def warm_up() -> None:
    """Compile, or load what was compiled before."""
    line_integrals(np.zeros((2, 2, 2), np.float32), 1.0, (0.0, 0.0), 0.0, np.zeros(1))


@nb.njit(cache=True, nogil=True)
def _sample(volume, out, heights, c, s, cz, cy, h, reach):  # type: ignore[no-untyped-def]  # kernel: numba types it
    nz, ny, nx = volume.shape
    middle = cz * c - cy * s
    n = int(np.ceil(2.0 * reach / (0.7 * h)))
    step = 2.0 * reach / n
    for a in range(heights.size):
        for k in range(n):
            w = middle - reach + (k + 0.5) * step
            y = (heights[a] * c - w * s - cy) / h + 0.5 * (ny - 1)
            z = (heights[a] * s + w * c - cz) / h + 0.5 * (nz - 1)
            iy, iz = int(np.floor(y)), int(np.floor(z))
            if iy < 0 or iz < 0 or iy >= ny - 1 or iz >= nz - 1:
                continue
            fy, fz = np.float32(y - iy), np.float32(z - iz)
            w00 = (1 - fz) * (1 - fy) * np.float32(step)
            w01 = (1 - fz) * fy * np.float32(step)
            w10 = fz * (1 - fy) * np.float32(step)
            w11 = fz * fy * np.float32(step)
            for x in range(nx):
                out[a, x] += (
                    w00 * volume[iz, iy, x]
                    + w01 * volume[iz, iy + 1, x]
                    + w10 * volume[iz + 1, iy, x]
                    + w11 * volume[iz + 1, iy + 1, x]
                )
