"""Fick's second law inside a particle, in tau = D t.

``dC/dtau = lap C`` inside the mask, no flux through its surface (paper 002, equation 1). D enters only through tau,
so one run serves every D. Integrated by super-time-stepping, RKL2 (Meyer, Balsara and Aslam, J. Comput. Phys. 257
(2014) 594): s Laplacians advance (s^2 + s - 2) / 4 explicit steps and the order in time is two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numba as nb
import numpy as np
from numpy.typing import NDArray

_EXPLICIT_LIMIT = 1.0 / 6.0
"""Largest stable explicit step in voxel^2, three dimensions."""
_GROWTH = 0.15
"""A step is this part of the diffusion already behind it: gradients flatten as they age."""


def diffuse(
    concentration: NDArray[np.float32],
    mask: NDArray[np.bool_],
    tau_nm2: Sequence[float],
    voxel_nm: float,
) -> Iterator[NDArray[np.float32]]:
    """Yield the concentration (z, y, x) at each of the rising times tau, in nm2.

    Concentration outside the mask neither moves nor matters. The sum inside the mask is conserved.
    """
    inside = np.pad(mask, 1).astype(np.float32)
    c = np.pad(np.asarray(concentration, np.float32), 1)
    now = 0.0
    for target in (t / voxel_nm**2 for t in tau_nm2):
        if target < now:
            raise ValueError("the times tau must rise")
        while target - now > 1e-9:
            step = min(target - now, max(0.5, _GROWTH * now))
            c = _rkl2_step(c, inside, step)
            now += step
        yield c[1:-1, 1:-1, 1:-1].copy()


def _rkl2_step(c: NDArray[np.float32], inside: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    s = max(3, int(np.ceil(0.5 * (np.sqrt(9.0 + 16.0 * step / (0.9 * _EXPLICIT_LIMIT)) - 1.0))))
    s += 1 - s % 2
    b = np.array([1 / 3, 1 / 3, *((j * j + j - 2) / (2.0 * j * (j + 1)) for j in range(2, s + 1))])
    w1 = 4.0 / (s * s + s - 2.0)
    first = np.zeros_like(c)
    _laplacian(c, inside, first)
    older, old = c, c + np.float32(b[1] * w1 * step) * first
    rate = np.zeros_like(c)
    for j in range(2, s + 1):
        mu = (2.0 * j - 1.0) / j * b[j] / b[j - 1]
        nu = -(j - 1.0) / j * b[j] / b[j - 2]
        gamma = -(1.0 - b[j - 1]) * mu * w1
        _laplacian(old, inside, rate)
        new = np.empty_like(c)
        _combine(
            new,
            (old, older, c, rate, first),
            np.array([mu, nu, 1.0 - mu - nu, mu * w1 * step, gamma * step], np.float32),
        )
        older, old = old, new
    return old


@nb.njit(cache=True, nogil=True, parallel=True)
def _laplacian(c, inside, out):  # type: ignore[no-untyped-def]  # kernel: numba types it
    nz, ny, nx = c.shape
    for z in nb.prange(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                v = c[z, y, x]
                out[z, y, x] = inside[z, y, x] * (
                    inside[z - 1, y, x] * (c[z - 1, y, x] - v)
                    + inside[z + 1, y, x] * (c[z + 1, y, x] - v)
                    + inside[z, y - 1, x] * (c[z, y - 1, x] - v)
                    + inside[z, y + 1, x] * (c[z, y + 1, x] - v)
                    + inside[z, y, x - 1] * (c[z, y, x - 1] - v)
                    + inside[z, y, x + 1] * (c[z, y, x + 1] - v)
                )


@nb.njit(cache=True, nogil=True, parallel=True)
def _combine(out, terms, weights):  # type: ignore[no-untyped-def]  # kernel: numba types it
    a, b, c, d, e = terms
    nz, ny, nx = out.shape
    for z in nb.prange(nz):
        for y in range(ny):
            for x in range(nx):
                out[z, y, x] = (
                    weights[0] * a[z, y, x]
                    + weights[1] * b[z, y, x]
                    + weights[2] * c[z, y, x]
                    + weights[3] * d[z, y, x]
                    + weights[4] * e[z, y, x]
                )
