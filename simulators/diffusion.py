"""How the twin's particles alloy: Fick's second law, integrated without time steps.

A composition after tau = D t is exp(tau (L - q h^2 L^2 / 12)) of what it was, with L the finite-volume Laplacian inside
the particle and the second term what L itself lacks of a continuous one, averaged over directions. The exponential is
expanded in Chebyshev polynomials of L (after Tal-Ezer and Kosloff, J. Chem. Phys. 81 (1984) 3967): exact in time to
rounding. Voxels that the surface cuts hold their own part, exchange through the open part of their faces, and let
nothing through the surface. Where D changes with the composition the exponential is taken in steps, each with the D of
its middle: second order in a step, and gold is still conserved to rounding. Nothing here is shared with the analysis,
which steps through time on a coarser grid.
"""

from __future__ import annotations

from collections.abc import Callable

import numba as nb
import numpy as np
from numpy.typing import NDArray

from simulators.specimens import Voxels

RelativeD = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""D over the stated one at each gold fraction."""

_LEAST_TERM = 1e-8
_TERMS = 20.0
"""Coefficients of order above sqrt(2 * 20 * z) are below 1e-8."""
_LEAST_STEP = 0.5
"""Voxels squared, of a step with one D."""
_STEP_GROWS = 0.4
"""Step over the tau before it."""
_LACKING = 3.0 / 5.0 / 12.0
"""A wave k per voxel decays at k^2 less this much of k^4."""


def diffuse(
    gold: NDArray[np.float32],
    voxels: Voxels,
    tau_nm2: float,
    relative_d: RelativeD | None = None,
    before_nm2: float = 0.0,
) -> NDArray[np.float32]:
    """Advance a composition (z, y, x) by tau = D t in nm2; returns a new array.

    The sum of occupied part times composition is conserved.

    Parameters
    ----------
    relative_d : how D changes with the composition
    before_nm2 : tau that the composition has behind it: the flatter it is, the longer its D holds
    """
    if tau_nm2 <= 0.0:
        return gold.copy()
    if relative_d is None:
        return _advanced(gold, voxels, voxels.face_fractions, tau_nm2)
    done_nm2 = 0.0
    while tau_nm2 - done_nm2 > 1e-9 * tau_nm2:
        step_nm2 = max(_LEAST_STEP * voxels.voxel_nm**2, _STEP_GROWS * (before_nm2 + done_nm2))
        step_nm2 = min(step_nm2, tau_nm2 - done_nm2)
        middle = _advanced(gold, voxels, _conducting(gold, voxels, relative_d), 0.5 * step_nm2)
        gold = _advanced(gold, voxels, _conducting(middle, voxels, relative_d), step_nm2)
        done_nm2 += step_nm2
    return gold


def regular_solution(mean_gold: float, ln_d_fall: float = 0.0, interaction_rt: float = 0.0) -> RelativeD | None:
    """D(c) = D(mean) exp(-fall (c - mean)) phi(c) / phi(mean), phi = 1 - 2 w c (1 - c); None where D is one for all.

    phi is the thermodynamic factor of a regular solution whose interaction over R T is w (Darken 1948).
    """
    if not ln_d_fall and not interaction_rt:
        return None

    def phi(gold: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(1.0 - 2.0 * interaction_rt * gold * (1.0 - gold), np.float32)

    normal = float(phi(np.array(mean_gold, np.float32)))

    def relative_d(gold: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.exp(-ln_d_fall * (gold - mean_gold)) * phi(gold) / normal, np.float32)

    return relative_d


def _conducting(gold: NDArray[np.float32], voxels: Voxels, relative_d: RelativeD) -> tuple[NDArray[np.float32], ...]:
    """Open part of each face times the D between its two voxels."""
    between = (0.5 * (gold + np.roll(gold, -1, axis)) for axis in range(3))
    return tuple(face * relative_d(c) for face, c in zip(voxels.face_fractions, between, strict=True))


def _advanced(
    gold: NDArray[np.float32], voxels: Voxels, face_fractions: tuple[NDArray[np.float32], ...], tau_nm2: float
) -> NDArray[np.float32]:
    from scipy.fft import dct

    metal = np.pad(voxels.metal, 1)
    faces = tuple(np.pad(face_fraction, 1) for face_fraction in face_fractions)
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
