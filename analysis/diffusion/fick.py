"""Fick's second law inside a particle, in tau = D t.

``dC/dtau = lap C`` inside the particle, no flux through its surface (Mychinko et al., Small 2021, equation 1). Where
D changes with composition (`DiffusivityLaw`), it is ``dC/dtau = lap F``, F the integral of D(c) over D at the mean
composition (Kirchhoff's transformation), and tau is of D at the mean composition. Voxels that the surface cuts hold
only their occupied part, and exchange through the part of a face that both sides share, so that the surface lies
where it is and not at voxel edges. D enters only through tau, so one run serves every D. Integrated by super-time-
stepping, RKL2 (Meyer, Balsara and Aslam, J. Comput. Phys. 257 (2014) 594): s Laplacians advance (s^2 + s - 2) / 4
explicit steps and the order in time is two. Neighbouring voxels see a wave of k per voxel decay at k^2 - q k^4 / 12;
the quadratic term of a step makes up for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numba as nb
import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.diffusivity_law import CONSTANT, DiffusivityLaw

_WIDEST_FACE = 5.0
"""Of the smaller of the two voxels' parts that a face joins: slivers exchange no faster than this."""
GROWTH = 0.05
"""A step is this part of the diffusion already behind it: gradients flatten as they age."""
ROUGHLY = 0.15
"""The same where only differences between two courses matter."""
_QUARTIC = 0.6
"""q above: the mean of nx^4 + ny^4 + nz^4 over all directions."""
_POWERS, _LEAST = 16, 1e-3
"""Rounds of the bound of the fastest decay; the part of its last value that a voxel keeps at least."""
_MOST_MADE_UP = 0.4
"""Steps of a quarter voxel^2 and less stay stable with this; what they miss is of the start and soon outgrown."""


def diffuse(
    concentration: NDArray[np.float32],
    occupancy: NDArray[np.float32],
    tau_nm2: Iterable[float],
    voxel_nm: float,
    face_fractions: tuple[NDArray[np.float32], ...] | None = None,
    law: DiffusivityLaw = CONSTANT,
    growth: float = GROWTH,
) -> Iterator[NDArray[np.float32]]:
    """Yield the concentration (z, y, x) at each of the rising times tau, in nm2.

    Parameters
    ----------
    occupancy : (z, y, x) occupied part of each voxel, 0..1; where it is 0, concentration neither moves nor matters
    face_fractions : open part of the faces towards the next voxel along z, y and x; by default the smaller part of
        the two
    law : how D changes with concentration
    growth : `GROWTH`, or `ROUGHLY`

    The sum of occupancy times concentration is conserved.
    """
    inside = _extent(occupancy)
    w = np.pad(np.asarray(occupancy[inside], np.float32), 1)
    faces = tuple(_shared(w, axis) for axis in range(3))
    if face_fractions is not None:
        opened = (np.pad(o[inside], 1) for o in face_fractions)
        faces = tuple(np.minimum(o, np.float32(_WIDEST_FACE) * f) for o, f in zip(opened, faces, strict=True))
    cells = (*faces, np.divide(1.0, w, out=np.zeros_like(w), where=w > 0))
    limit = 2.0 / max(_fastest_decay(cells), 1e-6)
    # Deviations from the mean: float32 keeps what is conserved better when it is zero.
    mean = np.float32(np.vdot(occupancy, concentration) / max(float(np.sum(occupancy)), 1.0))
    c = np.pad(np.asarray(concentration[inside] - mean, np.float32), 1)
    flow = None if law.constant else law.kirchhoff(float(mean))
    if flow is not None:
        limit /= law.fastest(float(mean))
    now = 0.0
    for target in (t / voxel_nm**2 for t in tau_nm2):
        if target < now:
            raise ValueError("the times tau must rise")
        while target - now > 1e-9:
            step = min(target - now, max(0.5, growth * now))
            c = _rkl2_step(c, cells, step, limit, flow)
            now += step
        whole = np.array(concentration, np.float32)
        whole[inside] = c[1:-1, 1:-1, 1:-1] + mean
        yield whole


def _extent(occupancy: NDArray[np.float32]) -> tuple[slice, ...]:
    """The box that holds whatever is occupied; all of it where nothing is."""
    found = []
    for axis, size in enumerate(occupancy.shape):
        hit = np.flatnonzero(occupancy.any(axis=tuple(a for a in range(3) if a != axis)))
        found.append(slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, size))
    return tuple(found)


def _shared(w: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Open part of the face between each voxel and the next along an axis."""
    return np.minimum(w, np.roll(w, -1, axis))


def _fastest_decay(cells: tuple[NDArray[np.float32], ...]) -> float:
    """A close bound of how fast any pattern decays, per voxel^2 of tau.

    Of a positive x, the largest ratio of what the Laplacian with all signs made positive gives to it (Collatz and
    Wielandt). From ones it is Gershgorin's bound, up to twice too wide where one sliver is faster than all around it.
    """
    x, grown = (cells[3] > 0.0).astype(np.float32), np.zeros_like(cells[3])
    bound = np.inf
    for _ in range(_POWERS):
        bound = min(bound, float(_grow(x, cells, grown).max()))
        x, grown = np.maximum(grown / np.float32(max(bound, 1e-6)), np.float32(_LEAST) * x), x
    return bound


def _flowing(c: NDArray[np.float32], flow: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Kirchhoff's transformation of a concentration above the mean: what flows down its own gradient at constant D."""
    if flow is None:
        return c
    out = np.empty_like(c)
    _polynomial(c, tuple(flow), out)
    return out


def _rkl2_step(
    c: NDArray[np.float32],
    cells: tuple[NDArray[np.float32], ...],
    step: float,
    limit: float,
    flow: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """One step, in voxel^2; `limit` is the largest stable explicit one.

    ``1 + z + (1/2 - q / (12 step)) z^2 + ...`` of z = step L, which is exp(step (L - q L^2 / 12)) to second order.
    """
    s = max(3, int(np.ceil(0.5 * (np.sqrt(9.0 + 16.0 * step / (0.9 * limit)) - 1.0))))
    s += 1 - s % 2
    b = np.array([1 / 3, 1 / 3, *((j * j + j - 2) / (2.0 * j * (j + 1)) for j in range(2, s + 1))])
    made_up = 1.0 - min(_QUARTIC / (6.0 * step), _MOST_MADE_UP)
    b, w1 = b / made_up, made_up * 4.0 / (s * s + s - 2.0)
    first, nothing = np.zeros_like(c), np.zeros_like(c)
    _stage((_flowing(c, flow), nothing, nothing, nothing), cells, first, np.array([0, 0, 0, 1, 0], np.float32))
    older, old = c.copy(), c + np.float32(b[1] * w1 * step) * first
    for j in range(2, s + 1):
        mu = (2.0 * j - 1.0) / j * b[j] / b[j - 1]
        nu = -(j - 1.0) / j * b[j] / b[j - 2]
        gamma = -(1.0 - b[j - 1]) * mu * w1
        weights = np.array([mu, nu, 1.0 - mu - nu, mu * w1 * step, gamma * step], np.float32)
        _stage((_flowing(old, flow), old, c, first), cells, older, weights)
        older, old = old, older
    return old


@nb.njit(cache=True, nogil=True, parallel=True)
def _stage(terms, cells, out, weights):  # type: ignore[no-untyped-def]  # kernel: numba types it
    """One Laplacian of what flows, added to what a stage is made of besides; in place of the last stage but one.

    Line by line, so that all of it is in the cache; lines that hold no particle are left out.
    """
    flowing, old, start, first = terms
    fz, fy, fx, capacity = cells
    nz, ny, nx = flowing.shape
    of_old, of_out, of_start, of_rate, of_first = weights
    for z in nb.prange(1, nz - 1):
        rate = np.empty(nx, np.float32)
        for y in range(1, ny - 1):
            if not capacity[z, y].any():
                continue
            for x in range(1, nx - 1):
                v = flowing[z, y, x]
                rate[x] = capacity[z, y, x] * (
                    fz[z, y, x] * (flowing[z + 1, y, x] - v)
                    + fz[z - 1, y, x] * (flowing[z - 1, y, x] - v)
                    + fy[z, y, x] * (flowing[z, y + 1, x] - v)
                    + fy[z, y - 1, x] * (flowing[z, y - 1, x] - v)
                    + fx[z, y, x] * (flowing[z, y, x + 1] - v)
                    + fx[z, y, x - 1] * (flowing[z, y, x - 1] - v)
                )
            for x in range(1, nx - 1):
                out[z, y, x] = (
                    of_old * old[z, y, x]
                    + of_out * out[z, y, x]
                    + of_start * start[z, y, x]
                    + of_rate * rate[x]
                    + of_first * first[z, y, x]
                )


@nb.njit(cache=True, nogil=True, parallel=True)
def _grow(values, cells, out):  # type: ignore[no-untyped-def]  # kernel: numba types it
    """The Laplacian with all signs made positive; gives its largest ratio to the values in each plane."""
    fz, fy, fx, capacity = cells
    nz, ny, nx = values.shape
    ratios = np.zeros(nz, np.float32)
    for z in nb.prange(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                v = values[z, y, x]
                out[z, y, x] = capacity[z, y, x] * (
                    fz[z, y, x] * (values[z + 1, y, x] + v)
                    + fz[z - 1, y, x] * (values[z - 1, y, x] + v)
                    + fy[z, y, x] * (values[z, y + 1, x] + v)
                    + fy[z, y - 1, x] * (values[z, y - 1, x] + v)
                    + fx[z, y, x] * (values[z, y, x + 1] + v)
                    + fx[z, y, x - 1] * (values[z, y, x - 1] + v)
                )
                if v > 0.0:
                    ratios[z] = max(ratios[z], out[z, y, x] / v)
    return ratios


@nb.njit(cache=True, nogil=True, parallel=True)
def _polynomial(c, coefficients, out):  # type: ignore[no-untyped-def]  # kernel: numba types it
    k0, k1, k2, k3, k4, k5, k6, k7, k8, k9 = coefficients
    nz, ny, nx = out.shape
    for z in nb.prange(nz):
        for y in range(ny):
            for x in range(nx):
                v = c[z, y, x]
                # Written out, it is vectorised, which a loop over the powers is not.
                high = k5 + v * (k6 + v * (k7 + v * (k8 + v * k9)))
                out[z, y, x] = k0 + v * (k1 + v * (k2 + v * (k3 + v * (k4 + v * high))))
