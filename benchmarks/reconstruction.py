"""MLEM against ASTRA's SIRT and scikit-image's SART, and against the machine: on the same noisy tilt series.

Of 71 tilts, all in CPU-seconds. Errors are root mean square, of the phantom's own root mean square. ASTRA has no
expectation maximisation for processors.
"""

import resource
import time
from collections.abc import Iterator

import numpy as np
from skimage.transform import iradon_sart

from analysis.tomography.projector import project
from analysis.tomography.reconstruction import Reconstruction, reconstruct
from benchmarks.row import Row, installed, median_s, without

ITERATIONS = 20
TILTS_DEG = np.arange(-70.0, 71.0, 2.0)
_COUNTS = 40.0
_ADDS_PER_VOXEL = 4
"""Multiply-adds for each voxel and tilt: two neighbouring pixels, forward and back."""


def phantom(side: int) -> np.ndarray:
    """A core in a shell, off the middle, smooth by averaging finer voxels."""
    z, y, x = np.meshgrid(*[np.linspace(-1.0, 1.0, 2 * side)] * 3, indexing="ij", sparse=True)
    fine = np.where((abs(z) < 0.5) & (abs(y) < 0.47) & (abs(x) < 0.4), 1.0, 0.0)
    fine += np.where((z - 0.05) ** 2 + y**2 + (x + 0.1) ** 2 < 0.09, 1.8, 0.0)
    return fine.reshape(side, 2, side, 2, side, 2).mean(axis=(1, 3, 5)).astype(np.float32)


def series(volume: np.ndarray) -> np.ndarray:
    """(tilt, y, x) with counting noise."""
    clean = project(volume, TILTS_DEG)
    per_count = float(clean.max()) / _COUNTS
    return (np.random.default_rng(0).poisson(clean / per_count) * per_count).astype(np.float32)


def error_of(found: np.ndarray, volume: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found - volume) ** 2) / np.mean(volume**2)))


def _astra_sirt(stack: np.ndarray, side: int) -> np.ndarray:
    """Slice by slice, as ASTRA's SIRT for processors works."""
    import astra

    of_slice = astra.create_vol_geom(side, side)
    of_series = astra.create_proj_geom("parallel", 1.0, side, np.radians(TILTS_DEG))
    by = astra.create_projector("linear", of_series, of_slice)
    seen, found = astra.data2d.create("-sino", of_series), astra.data2d.create("-vol", of_slice)
    asked = astra.astra_dict("SIRT") | {"ProjectorId": by, "ProjectionDataId": seen, "ReconstructionDataId": found}
    asked["option"] = {"MinConstraint": 0.0}
    algorithm, volume = astra.algorithm.create(asked), np.empty((side, side, side), np.float32)
    for x in range(side):
        astra.data2d.store(seen, stack[:, :, x])
        astra.data2d.store(found, 0.0)
        astra.algorithm.run(algorithm, ITERATIONS)
        volume[:, :, x] = astra.data2d.get(found)
    astra.algorithm.delete(algorithm)
    astra.data2d.delete([seen, found])
    astra.projector.delete(by)
    return volume


def _nearest(found: np.ndarray, volume: np.ndarray) -> float:
    """The peer's own error, whichever way its axes point."""
    return min(error_of(v, volume) for v in (found, found[::-1], found[:, ::-1], found[::-1, ::-1]))


def _against_astra(side: int, multiply_adds_per_s: float, cores: int) -> Iterator[Row]:
    volume = phantom(side)
    stack = series(volume)
    found = reconstruct(stack, TILTS_DEG, iterations=ITERATIONS, device="cpu")
    ours_s = median_s(lambda: reconstruct(stack, TILTS_DEG, iterations=ITERATIONS, device="cpu"), 3, time.process_time)
    what, error = f"MLEM-{ITERATIONS}, {side}^3, {len(TILTS_DEG)} tilts", error_of(found, volume)
    if installed("astra"):
        theirs: list[np.ndarray] = []
        theirs_s = median_s(lambda: theirs.append(_astra_sirt(stack, side)), 1, time.process_time)
        their_error = _nearest(theirs[0], volume)
        held = theirs_s / ours_s >= 25.0 and error <= their_error
        yield Row(what, ours_s, "CPU s", f"ASTRA SIRT-{ITERATIONS}", theirs_s, error, their_error, ">= 25 x", held)
    else:
        yield Row(what, ours_s, "CPU s", error=error, bar=without("ASTRA"))
    limit_s = _ADDS_PER_VOXEL * volume.size * len(TILTS_DEG) * ITERATIONS / (multiply_adds_per_s / cores)
    within = ours_s <= 1.6 * limit_s
    yield Row(f"{what}, the machine's limit", ours_s, "CPU s", "multiply-adds", limit_s, bar="<= 1.6 x", held=within)


def _after_a_tilt(side: int, limit_s: float) -> Row:
    """One tilt more on a running volume: one iteration over what is there."""
    stack = series(phantom(side))
    running = Reconstruction((side, side, side), device="cpu")
    for image, tilt_deg in zip(stack[:-1], TILTS_DEG[:-1], strict=True):
        running.add(image, tilt_deg)
    running.iterate(2)
    began = time.perf_counter()
    running.add(stack[-1], TILTS_DEG[-1])
    running.iterate(1)
    took_s = time.perf_counter() - began
    return Row(
        f"running volume after the last tilt, {side}^3", took_s, "s", bar=f"<= {limit_s} s", held=took_s <= limit_s
    )


def rows(short: bool, multiply_adds_per_s: float, cores: int) -> Iterator[Row]:
    sides = (32, 48) if short else (128, 256)
    reconstruct(series(phantom(16)), TILTS_DEG, iterations=1, device="cpu")  # compiled
    taken = {}
    for side in sides:
        for row in _against_astra(side, multiply_adds_per_s, cores):
            taken.setdefault(side, row.ours)
            yield row
    small, large = sides
    grown, work = taken[large] / taken[small], (large / small) ** 3
    bar = 8.6 / 8.0 * work
    yield Row(f"MLEM from {small}^3 to {large}^3", grown, "times", bar=f"<= {bar:.1f} times", held=grown <= bar)
    if not short:
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield Row("memory of all this, the peers' too", peak_mb, "MB")
        volume = phantom(sides[0])
        sinogram = series(volume)[:, :, sides[0] // 2].T.astype(np.float64)
        sart_s = median_s(lambda: iradon_sart(sinogram, theta=TILTS_DEG), 1, time.process_time)
        theirs_s = sart_s * sides[0] * ITERATIONS
        yield Row(f"MLEM-{ITERATIONS}, {sides[0]}^3", taken[sides[0]], "CPU s", "scikit-image SART-20", theirs_s)
        yield _after_a_tilt(128, 0.15)
        yield _after_a_tilt(256, 1.0)
