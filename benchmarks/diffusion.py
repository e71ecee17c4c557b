"""Fick's law in a box, where the exact course is known, against SciPy's Laplacian in explicit steps and FiPy.

All no-flux: cosines along each axis decay by themselves. Compared is the degree of alloying, 1 minus the standard
deviation over that at the start, ten times on the way to 600 s at D = 2.4e-19 m2/s.
"""

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.ndimage import laplace

from analysis.diffusion.fick import diffuse
from benchmarks.row import Row, installed, median_s

TAU_NM2 = 1e18 * 2.4e-19 * np.linspace(60.0, 600.0, 10)
_BOX_NM = 60.0
_STABLE = 1.0 / 6.0
"""Of explicit steps, in voxels squared."""


def _start(side: int) -> NDArray[np.float32]:
    z, y, x = np.meshgrid(*[(np.arange(side) + 0.5) / side - 0.5] * 3, indexing="ij", sparse=True)
    return (1.0 / (1.0 + np.exp((np.sqrt(z**2 + y**2 + x**2) - 0.3) / 0.03))).astype(np.float32)


def _degrees(spreads: list[float]) -> NDArray[np.float64]:
    return 1.0 - np.array(spreads[1:]) / spreads[0]


def _exact(start: NDArray[np.float32], voxel_nm: float) -> NDArray[np.float64]:
    """By the decay of its cosines, of which the standard deviation is the sum (Parseval)."""
    power = dctn(start.astype(np.float64), norm="ortho") ** 2
    k = (np.pi * np.arange(len(start)) / (len(start) * voxel_nm)) ** 2
    decay = k[:, None, None] + k[:, None] + k
    power[0, 0, 0] = 0.0
    return _degrees([float(np.sqrt((power * np.exp(-2.0 * decay * t)).sum())) for t in (0.0, *TAU_NM2)])


def _explicit(start: NDArray[np.float32], voxel_nm: float) -> list[NDArray[np.float32]]:
    c, now, found = start.copy(), 0.0, []
    for target in TAU_NM2 / voxel_nm**2:
        steps = int(np.ceil((target - now) / _STABLE))
        for _ in range(steps):
            c += np.float32((target - now) / steps) * laplace(c, mode="nearest")
        now = target
        found.append(c.copy())
    return found


def _fipy(start: NDArray[np.float32], voxel_nm: float, steps: int) -> list[NDArray[np.float64]]:
    from fipy import CellVariable, DiffusionTerm, Grid3D, TransientTerm
    from fipy.solvers.scipy import LinearCGSolver

    side = len(start)
    mesh = Grid3D(nx=side, ny=side, nz=side, dx=voxel_nm, dy=voxel_nm, dz=voxel_nm)
    c, found, now = CellVariable(mesh=mesh, value=start.ravel().astype(float)), [], 0.0
    law = TransientTerm() == DiffusionTerm(coeff=1.0)
    solver = LinearCGSolver(tolerance=1e-8, iterations=500)
    for target in TAU_NM2:
        for _ in range(steps):
            law.solve(var=c, dt=(target - now) / steps, solver=solver)
        now = target
        found.append(np.array(c.value))
    return found


def _error(found: list[NDArray[np.float64]], start: NDArray[np.float32], voxel_nm: float) -> float:
    spreads = [float(c.std(dtype=np.float64)) for c in (start, *found)]
    return float(np.abs(_degrees(spreads) - _exact(start, voxel_nm)).max())


def rows(short: bool) -> Iterator[Row]:
    for side, peers in ((16, True),) if short else ((96, False), (32, True)):
        voxel_nm, start = _BOX_NM / side, _start(side)
        whole = np.ones_like(start)

        def ours(start=start, whole=whole, voxel_nm=voxel_nm):  # type: ignore[no-untyped-def]
            return list(diffuse(start, whole, TAU_NM2, voxel_nm))

        error = _error(ours(), start, voxel_nm)
        ours_s, wall_s = median_s(ours, 3, time.process_time), median_s(ours, 3)
        _explicit(start[:8, :8, :8].copy(), 10.0 * voxel_nm)
        began = time.process_time()
        found = _explicit(start, voxel_nm)
        theirs_s, their_error = time.process_time() - began, _error(found, start, voxel_nm)
        what, bar = f"600 s of diffusion, {side}^3", "" if peers else ">= 100 x, error < 1e-3"
        held = None if peers else theirs_s / ours_s >= 100.0 and error < 1e-3
        yield Row(what, ours_s, "CPU s", "explicit steps by SciPy", theirs_s, error, their_error, bar, held)
        if not peers:
            yield Row(f"{what}, on all cores", wall_s, "s", error=error, bar="<= 0.4 s", held=wall_s <= 0.4)
        if peers and installed("fipy"):
            _fipy(start[:8, :8, :8], voxel_nm, 1)  # imported and warm
            began = time.process_time()
            by_fipy = _fipy(start, voxel_nm, 2 if short else 10)
            theirs_s = time.process_time() - began
            yield Row(what, ours_s, "CPU s", "FiPy, implicit", theirs_s, error, _error(by_fipy, start, voxel_nm))
