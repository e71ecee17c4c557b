"""MLEM against the machine and against a peer, in one run: ``python benchmarks/reconstruction.py``.

The limit is what the memory allows: each iteration must at least stream the volume once per tilt, forward and back. The
peer is scikit-image's SART, per slice, the fastest CPU tomography on PyPI that needs no GPL.
"""

import time
from collections.abc import Callable

import numpy as np
from skimage.transform import iradon_sart

from analysis.tomography.projector import project
from analysis.tomography.reconstruction import reconstruct

SIDE, ITERATIONS = 128, 20
TILTS_DEG = np.arange(-70.0, 71.0, 2.0)


def best_of(job: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        job()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    volume = np.zeros((SIDE, SIDE, SIDE), np.float32)
    volume[32:96, 30:98, 40:90] = 1.0
    stack = project(volume, TILTS_DEG)
    mlem_s = best_of(lambda: reconstruct(stack, TILTS_DEG, iterations=ITERATIONS))
    copy_s = best_of(lambda: volume.copy())
    limit_s = 0.5 * copy_s * 2 * len(TILTS_DEG) * ITERATIONS
    sinogram = stack[:, :, 64].T.astype(np.float64)
    sart_s = best_of(lambda: iradon_sart(sinogram, theta=TILTS_DEG), 1) * SIDE * ITERATIONS
    print(f"MLEM-{ITERATIONS}, {SIDE}^3, {len(TILTS_DEG)} tilts: {mlem_s:.2f} s")
    print(f"  {mlem_s / limit_s:.1f} x the time to stream the volume as often")
    print(f"  {sart_s / mlem_s:.0f} x faster than scikit-image's SART ({sart_s:.0f} s for all slices)")


if __name__ == "__main__":
    main()
