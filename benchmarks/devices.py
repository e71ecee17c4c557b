"""The same reconstruction on the processor and on a GPU, absolute times: ``python -m benchmarks.devices [SIDE ...]``.

71 tilts, arrays of the host in and out, so that the way to the GPU and back is in it.
"""

import sys

import numpy as np

from analysis.tomography.cuda_projector import CudaProjector, why_no_cuda
from analysis.tomography.device import Device
from analysis.tomography.projector import Projector
from analysis.tomography.reconstruction import reconstruct
from benchmarks.row import median_s

TILTS_DEG = np.arange(-70.0, 71.0, 2.0)
ITERATIONS = 20


def main() -> None:
    kinds: dict[Device, type[Projector]] = {"cpu": Projector}
    if why_no_cuda():
        print(why_no_cuda())
    else:
        kinds["cuda"] = CudaProjector
    for side in [int(a) for a in sys.argv[1:]] or [128, 256]:
        volume = np.zeros((side, side, side), np.float32)
        volume[side // 4 : 3 * side // 4, side // 4 : side // 2, side // 3 : 2 * side // 3] = 1.0
        stack = Projector(TILTS_DEG, volume.shape).forward(volume)
        found = {}
        for device, kind in kinds.items():
            p = kind(TILTS_DEG, volume.shape)
            there, seen = p.array(volume), p.array(stack)
            # Home again, or an asynchronous GPU would only be asked.
            forth, back = (
                median_s(lambda f=f, x=x, p=p: p.home(f(x)), 5)  # type: ignore[misc]  # mypy: no types of defaults
                for f, x in ((p.forward, there), (p.backward, seen))
            )

            def whole(device: Device = device, stack: np.ndarray = stack) -> np.ndarray:
                return reconstruct(stack, TILTS_DEG, iterations=ITERATIONS, device=device)

            mlem = median_s(whole, 3)
            found[device] = whole()
            both = f"forward {1e3 * forth:8.2f} ms, back {1e3 * back:8.2f} ms"
            print(f"{side}^3 {device:4}: {both}, MLEM-{ITERATIONS} {mlem:7.3f} s")
        if "cuda" in found:
            away = np.abs(found["cuda"] - found["cpu"]).max() / found["cpu"].max()
            print(f"{side}^3 they differ by at most {away:.1e} of the brightest voxel")


if __name__ == "__main__":
    main()
