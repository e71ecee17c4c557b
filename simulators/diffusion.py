"""How the twin's particles alloy: Fick's second law, integrated without time steps.

A composition after tau = D t is exp(tau (L - q h^2 L^2 / 12)) of what it was, with L the finite-volume Laplacian inside
the particle and the second term what L itself lacks of a continuous one, averaged over directions. The exponential is
expanded in Chebyshev polynomials of L (after Tal-Ezer and Kosloff, J. Chem. Phys. 81 (1984) 3967): exact in time to
rounding. Voxels that the surface cuts hold their own part, exchange through the open part of their faces, and let
nothing through the surface. Nothing here is shared with the analysis, which steps through time on a coarser grid.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from simulators.specimens import Voxels

_LEAST_TERM = 1e-8
_TERMS = 20.0
"""Coefficients of order above sqrt(2 * 20 * z) are below 1e-8."""
_LACKING = 3.0 / 5.0 / 12.0
"""A wave k per voxel decays at k^2 less this much of k^4."""


def diffuse(gold: NDArray[np.float32], voxels: Voxels, tau_nm2: float) -> NDArray[np.float32]:
    """Advance a composition (z, y, x) by tau = D t in nm2; returns a new array.

    The sum of occupied part times composition is conserved.
    """
    if tau_nm2 <= 0.0:
        return gold.copy()
    from scipy.fft import dct

    metal = np.pad(voxels.metal, 1)
    faces = tuple(np.pad(face_fraction, 1) for face_fraction in voxels.face_fractions)
    per_part = np.divide(1.0, metal, out=np.zeros_like(metal), where=metal > 0)
    exchange = sum(face + np.roll(face, 1, axis) for axis, face in enumerate(faces)) * per_part
    fastest = 2.0 * float(np.max(exchange))
    tau = tau_nm2 / voxels.voxel_nm**2
    z = 0.5 * fastest * tau * (1.0 + _LACKING * fastest)
    most = int(np.sqrt(2.0 * _TERMS * z) + _TERMS)
    rates = 0.5 * fastest * (1.0 - np.cos(np.pi * (np.arange(most) + 0.5) / most))
    terms = dct(np.exp(-tau * (rates + _LACKING * rates**2))) / most
    terms[0] *= 0.5
    old = np.pad(np.asarray(gold, np.float32), 1)
    newer = np.zeros_like(old)
    total = np.float32(terms[0]) * old
    step = np.float32(2.0 / fastest)
    _next_polynomial(old, newer, total, (*faces, per_part), step, np.float32(terms[1]), True)
    for k in range(2, len(terms)):
        if np.abs(terms[k:]).max() < _LEAST_TERM:
            break
        _next_polynomial(newer, old, total, (*faces, per_part), step, np.float32(terms[k]), False)
        old, newer = newer, old
    return np.ascontiguousarray(total[1:-1, 1:-1, 1:-1])


@nb.njit(cache=True, nogil=True, parallel=True)
def _next_polynomial(now, before, total, cells, step, term, first):  # type: ignore[no-untyped-def]  # kernel: numba types it
    """T(k+1) = 2 B T(k) - T(k-1) with B = 1 + step L, written over T(k-1); its term is added to the total."""
    fz, fy, fx, per_part = cells
    nz, ny, nx = now.shape
    for z in nb.prange(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                v = now[z, y, x]
                moved = v + step * per_part[z, y, x] * (
                    fz[z, y, x] * (now[z + 1, y, x] - v)
                    + fz[z - 1, y, x] * (now[z - 1, y, x] - v)
                    + fy[z, y, x] * (now[z, y + 1, x] - v)
                    + fy[z, y - 1, x] * (now[z, y - 1, x] - v)
                    + fx[z, y, x] * (now[z, y, x + 1] - v)
                    + fx[z, y, x - 1] * (now[z, y, x - 1] - v)
                )
                new = moved if first else np.float32(2.0) * moved - before[z, y, x]
                before[z, y, x] = new
                total[z, y, x] += term * new
