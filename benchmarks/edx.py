"""Principal and non-negative components of a simulated map against HyperSpy, in one run on the same cube.

HyperSpy is under the GPL and no part of the environment: `pip install hyperspy` first. Errors are Poisson deviances
per cell of the cube, of what the components make of the counts.
"""

import time

import numpy as np

from analysis.edx.decomposition import (
    components_seen,
    independent_components,
    non_negative_components,
    principal_components,
)
from simulators.edx_particles import amounts, emission, segregated_ball
from simulators.x_rays import XRayDetector, spectrum_image

COMPONENTS = 8


def deviance(counts, expected):
    """Twice the loss of log likelihood against a model with a value of its own for each cell, per cell."""
    expected = np.maximum(expected, 1e-9)
    seen = counts > 0
    loss = np.sum(counts[seen] * np.log(counts[seen] / expected[seen])) - counts.sum() + expected.sum()
    return 2.0 * float(loss) / counts.size


def timed(call):
    """Seconds, and what it gave; the best of three."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        found = call()
        taken.append(time.perf_counter() - began)
    return min(taken), found


def main() -> None:
    import hyperspy.api as hs

    rng = np.random.default_rng(1)
    atoms = amounts(segregated_ball(5.0, 0.49, 0.58, 1.5), (64, 64), 0.25, (31.0, 32.0))
    made = emission(atoms, {"Ag_La": 1.44, "Au_Ma": 1.0}, 30.0, 80.0, stray={"C_Ka": 8.0, "Cu_Ka": 3.0, "Si_Ka": 0.5})
    cube = spectrum_image(made, XRayDetector(), rng)
    spectra = cube.reshape(4096, -1)
    principal_components(spectra[:64])  # what is compiled on first use
    non_negative_components(spectra[:64], independent_components(principal_components(spectra[:64]), 2))

    pca_s, pca = timed(lambda: principal_components(spectra, COMPONENTS))
    nmf_s, nmf = timed(lambda: non_negative_components(spectra, independent_components(pca, COMPONENTS)))
    ours = deviance(spectra, nmf.maps @ nmf.spectra), deviance(spectra, pca.maps @ pca.spectra)

    def peer(algorithm):
        signal = hs.signals.Signal1D(cube.astype(float))
        signal.decomposition(True, algorithm=algorithm, output_dimension=COMPONENTS, print_info=False)
        return signal

    peer_pca_s, peer_pca = timed(lambda: peer("SVD"))
    peer_nmf_s, peer_nmf = timed(lambda: peer("NMF"))
    theirs = [deviance(spectra, s.get_decomposition_model().data.reshape(4096, -1)) for s in (peer_nmf, peer_pca)]

    print(f"{cube.shape} counts, {cube.sum()} in all; {components_seen(principal_components(spectra))} components seen")
    for name, own_s, peer_s, own, other in (
        ("principal components", pca_s, peer_pca_s, ours[1], theirs[1]),
        ("non-negative components, with the principal ones", pca_s + nmf_s, peer_nmf_s, ours[0], theirs[0]),
    ):
        print(f"{name}: {own_s:.2f} s, HyperSpy {peer_s:.2f} s: {peer_s / own_s:.1f} times as fast; ", end="")
        print(f"deviance {own:.4f}, HyperSpy {other:.4f}")


if __name__ == "__main__":
    main()
