"""How the twin's particles alloy: Fick's second law, integrated implicitly one direction at a time.

Each step is a symmetric (Strang) splitting z y x x y z of one-dimensional, L-stable SDIRK2 solves along every run of
voxels inside the particle; the ends of a run carry no flux. Nothing here is shared with the analysis, which
integrates explicitly on a coarser grid.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

_GAMMA = 1.0 - np.sqrt(0.5)


def diffuse(
    gold: NDArray[np.float32], inside: NDArray[np.bool_], tau_nm2: float, voxel_nm: float, age_nm2: float = 0.0
) -> NDArray[np.float32]:
    """Advance a composition (z, y, x) by tau = D t in nm2; returns a new array.

    `age_nm2` is the diffusion already behind it: steps grow with the age, as gradients flatten.
    """
    gold = np.ascontiguousarray(gold, np.float32).copy()
    left = tau_nm2
    while left > 1e-12:
        step = min(left, max(voxel_nm**2, 0.12 * (age_nm2 + tau_nm2 - left)))
        r = 0.5 * step / voxel_nm**2
        for axis in (0, 1, 2, 2, 1, 0):
            moved = np.ascontiguousarray(np.moveaxis(gold, axis, 0))
            _solve_lines(moved, np.ascontiguousarray(np.moveaxis(inside, axis, 0)), r)
            gold = np.ascontiguousarray(np.moveaxis(moved, 0, axis))
        left -= step
    return gold


@nb.njit(cache=True, nogil=True, parallel=True)
def _solve_lines(c, inside, r):  # type: ignore[no-untyped-def]  # kernel: numba types it
    """One SDIRK2 step of dc/ds = c'' along the first axis, s in voxels^2, in place."""
    n, ny, nx = c.shape
    for y in nb.prange(ny):
        line, stage, upper = np.empty(n), np.empty(n), np.empty(n)
        for x in range(nx):
            i = 0
            while i < n:
                if not inside[i, y, x]:
                    i += 1
                    continue
                j = i
                while j < n and inside[j, y, x]:
                    line[j] = c[j, y, x]
                    j += 1
                _implicit(line, stage, upper, i, j, _GAMMA * r)
                for k in range(i, j):
                    stage[k] = line[k] + (1.0 - _GAMMA) * (stage[k] - line[k]) / _GAMMA
                for k in range(i, j):
                    line[k] = stage[k]
                _implicit(line, stage, upper, i, j, _GAMMA * r)
                for k in range(i, j):
                    c[k, y, x] = stage[k]
                i = j


@nb.njit(cache=True, nogil=True)
def _implicit(line, out, upper, i, j, r):  # type: ignore[no-untyped-def]  # kernel: numba types it
    """Solve (1 - r d2) out = line on the run [i, j) with no flux through its ends (Thomas)."""
    previous = 0.0
    for k in range(i, j):
        neighbours = (1 if k > i else 0) + (1 if k < j - 1 else 0)
        diagonal = 1.0 + neighbours * r - (r * upper[k - 1] if k > i else 0.0)
        upper[k] = r / diagonal
        previous = (line[k] + r * previous) / diagonal
        out[k] = previous
    for k in range(j - 2, i - 1, -1):
        out[k] += upper[k] * out[k + 1]
