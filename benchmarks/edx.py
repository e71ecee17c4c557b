"""Components of a simulated map against HyperSpy, in one run on the same cube; and how long a live map takes per frame.

Non-negative components go on
until their error is no larger than HyperSpy's. Errors are, of principal components, root mean square residuals; of
non-negative ones Poisson deviances per cell of the cube, of what the components make of the counts.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from analysis.edx.decomposition import (
    independent_components,
    non_negative_components,
    principal_components,
)
from analysis.live.live_map import LiveMap
from benchmarks.row import Row
from drivers.frames import Frame, FrameHeader, SpectrumHeader
from simulators.edx_particles import amounts, emission, segregated_ball
from simulators.x_rays import XRayDetector, photons, spectrum_image

COMPONENTS, FRAMES = 8, 100
STRAY = {"C_Ka": 8.0, "Cu_Ka": 3.0, "Si_Ka": 0.5}
_SAME = 1.001
"""Of errors that only rounding parts."""
K = {"Ag_La": 1.44, "Au_Ma": 1.0}


def deviance(counts, expected):
    """Twice the loss of log likelihood against a model with a value of its own for each cell, per cell."""
    expected = np.maximum(expected, 1e-9)
    seen = counts > 0
    loss = np.sum(counts[seen] * np.log(counts[seen] / expected[seen])) - counts.sum() + expected.sum()
    return 2.0 * float(loss) / counts.size


def residual(counts, expected):
    return float(np.sqrt(np.mean((counts - expected) ** 2)))


def timed(call):
    """Seconds, and what it gave; the best of three."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        found = call()
        taken.append(time.perf_counter() - began)
    return min(taken), found


def rows(short: bool) -> Iterator[Row]:
    """Against HyperSpy."""
    import hyperspy.api as hs

    side = 16 if short else 64
    atoms = amounts(segregated_ball(5.0, 0.49, 0.58, 1.5), (side, side), 16.0 / side, (0.49 * side, 0.5 * side))
    made = emission(atoms, K, 30.0, 80.0, stray=STRAY)
    cube = spectrum_image(made, XRayDetector(), np.random.default_rng(1))
    spectra = cube.reshape(len(cube) ** 2, -1)
    principal_components(spectra[:64], 4)  # what is compiled on first use
    non_negative_components(spectra[:64], independent_components(principal_components(spectra[:64]), 2))

    def peer(algorithm: str) -> Any:
        signal = hs.signals.Signal1D(cube.astype(float))
        signal.decomposition(True, algorithm=algorithm, output_dimension=COMPONENTS, print_info=False)
        return signal

    def model(signal: Any) -> Any:
        return signal.get_decomposition_model().data.reshape(spectra.shape)

    what = f"of {side} x {side} x {cube.shape[-1]}, {cube.sum()} counts"
    peer_s, theirs = timed(lambda: peer("SVD"))
    pca_s, pca = timed(lambda: principal_components(spectra, COMPONENTS))
    errors = residual(spectra, pca.maps @ pca.spectra), residual(spectra, model(theirs))
    held = peer_s / pca_s >= 10.0 and errors[0] <= errors[1] * _SAME
    yield Row(f"principal components {what}", pca_s, "s", "HyperSpy", peer_s, *errors, ">= 10 x", held)

    peer_s, theirs = timed(lambda: peer("NMF"))
    aim = deviance(spectra, model(theirs))
    for rounds in range(1, 61):
        nmf_s, nmf = timed(
            lambda rounds=rounds: non_negative_components(spectra, independent_components(pca, COMPONENTS), rounds)
        )
        if (reached := deviance(spectra, nmf.maps @ nmf.spectra)) <= aim:
            break
    own_s = pca_s + nmf_s
    held = peer_s / own_s >= 10.0 and reached <= aim
    yield Row(f"non-negative components {what}", own_s, "s", "HyperSpy", peer_s, reached, aim, ">= 10 x", held)


def live(atoms) -> None:
    rng = np.random.default_rng(2)
    asked = SpectrumHeader(
        channels=1024,
        channel_ev=20.0,
        offset_ev=0.0,
        fwhm_mn_ev=130.0,
        beam_kev=80.0,
        frames=FRAMES,
        lines=tuple(K),
        k=("Ag_La/Au_Ma=1.44:0.01",),
    )
    taken, following = [], None
    for index in range(FRAMES):
        made = emission(atoms, K, 0.5, 80.0, stray={name: n / 60.0 for name, n in STRAY.items()})
        header = FrameHeader(
            seq=index,
            session="benchmark",
            step="c00/it/edx",
            index=index,
            particle="it",
            core="Au",
            shell="Ag",
            time_s=4.0 * index,
            tilt_deg=0.0,
            pixel_nm=0.25,
            spectrum=asked,
        )
        haadf = rng.poisson(20.0 + 40.0 * (atoms["Ag"] + atoms["Au"])).astype(np.uint16)
        frame = Frame(header, haadf, photons(made, XRayDetector(), rng))
        following = following or LiveMap(frame)
        began = time.perf_counter()
        following.add(frame)
        told = following.result(final=False)
        taken.append(time.perf_counter() - began)
    taken_s = np.array(taken[1:])
    print(f"a frame of a live map, {told.report['counts']} counts at last: median {np.median(taken_s):.2f} s, ", end="")
    print(f"longest {taken_s.max():.2f} s after the first, which compiles: {taken[0]:.1f} s")


def main() -> None:
    atoms = amounts(segregated_ball(5.0, 0.49, 0.58, 1.5), (64, 64), 0.25, (31.0, 32.0))
    live(atoms)
    for row in rows(short=False):
        print(row)


if __name__ == "__main__":
    main()
