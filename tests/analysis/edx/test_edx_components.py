"""Components of Moreira et al.'s (Small 2024) map on the twin: how many, where, and how much quieter they make it."""

from functools import lru_cache

import numpy as np
import pytest

from analysis.edx.composition import composition
from analysis.edx.decomposition import (
    components_seen,
    independent_components,
    non_negative_components,
    principal_components,
)
from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.lines.fit import fit_lines
from analysis.edx.map_analysis import analyse_map
from analysis.edx.spectrum_image import SpectrumImage
from simulators.edx_particles import amounts, emission, segregated_ball
from simulators.x_rays import XRayDetector, spectrum_image

LINES, K = ("Ag_La", "Au_Ma"), ["Ag_La/Au_Ma=1.44:0.01"]
SHAPE, PIXEL_NM = (64, 64), 0.25
SEEDS = range(20)
slow = pytest.mark.slow


@lru_cache(maxsize=32)
def mapped(seed: int, core: float, surface: float) -> tuple[dict[str, np.ndarray], SpectrumImage]:
    """Some 300 counts per pixel of the particle."""
    centre_px = tuple(31.5 + np.random.default_rng([seed, 8]).uniform(-3.0, 3.0, 2))
    atoms = amounts(segregated_ball(5.0, core, surface, 1.5), SHAPE, PIXEL_NM, centre_px)
    stray = {"C_Ka": 8.0, "Cu_Ka": 3.0, "Si_Ka": 0.5}
    made = emission(atoms, {"Ag_La": 1.44, "Au_Ma": 1.0}, 38.0, 80.0, stray=stray)
    counts = spectrum_image(made, XRayDetector(), np.random.default_rng([seed, 9]))
    return atoms, SpectrumImage(counts, EnergyAxis(0.0, 0.02, 1024), PIXEL_NM, 80.0, simulated=True)


def ncc(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize(("seeds", "most_wrong"), [(range(2), 0), pytest.param(SEEDS, 2, marks=slow)])
def test_as_many_components_as_the_twin_has(seeds, most_wrong):
    """An even particle and what is everywhere are two; a shell that differs enough is a third."""
    for core, surface, number in ((0.5, 0.5, 2), (0.2, 0.9, 3)):
        wrong = []
        for seed in seeds:
            _, image = mapped(seed, core, surface)
            if components_seen(principal_components(image.counts.reshape(SHAPE[0] * SHAPE[1], -1))) != number:
                wrong.append(seed)
        assert len(wrong) <= most_wrong, f"not {number} with seeds {wrong}"


@pytest.mark.parametrize("seeds", [range(1), pytest.param(range(1, 4), marks=slow)])
@pytest.mark.parametrize(("core", "surface", "quieter"), [(0.5, 0.5, 4.0), (0.49, 0.58, 1.4)])
def test_components_show_the_metals_where_they_are_with_less_noise(core, surface, quieter, seeds):
    """With a shell to be seen, how much of each metal is in a pixel stays free, and its photons limit it."""
    for seed in seeds:
        atoms, image = mapped(seed, core, surface)
        result = analyse_map(image, LINES, K)
        spectra = image.counts.reshape(SHAPE[0] * SHAPE[1], -1)
        pca = principal_components(spectra)
        split = non_negative_components(spectra, independent_components(pca, components_seen(pca)))
        areas = fit_lines(result.model, split.spectra * split.maps.sum(axis=0)[:, None], like=image.total).counts
        maps = (split.maps / split.maps.sum(axis=0)) @ areas[:, :2]
        for element, counts in zip(("Ag", "Au"), maps.T, strict=True):
            assert ncc(atoms[element], counts.reshape(SHAPE)) > 0.95, f"{element}, seed {seed}"
        inside = (atoms["Ag"] + atoms["Au"] > 8.0).ravel()
        raw = composition(fit_lines(result.model, spectra[inside], like=image.total), result.factors)
        denoised = split.maps[inside] @ split.spectra
        quiet = composition(fit_lines(result.model, denoised, like=image.total), result.factors)
        truth = (atoms["Ag"] / np.maximum(atoms["Ag"] + atoms["Au"], 1e-9)).ravel()[inside]
        scatter = [np.sqrt(np.mean((c.fractions[:, 0] - truth) ** 2)) for c in (raw, quiet)]
        assert scatter[0] > quieter * scatter[1], f"seed {seed}: {scatter}"


def test_a_profile_of_components_covers_the_truth_with_its_bootstrap():
    covered = []
    for seed in range(3):
        atoms, image = mapped(seed, 0.3, 0.8)
        profile = analyse_map(image, LINES, K, decompose=True, number=3).split.profile
        assert profile is not None
        y, x = np.indices(SHAPE)
        weight = atoms["Ag"] + atoms["Au"]
        centre = (weight * y).sum() / weight.sum(), (weight * x).sum() / weight.sum()
        ring = np.floor(PIXEL_NM * np.hypot(y - centre[0], x - centre[1]) / 0.5).astype(int)
        for n in range(1, 9):
            true = atoms["Ag"][ring == n].sum() / weight[ring == n].sum()
            covered.append(abs(profile.fractions[n, 0] - true) < 3.0 * np.hypot(profile.std[n, 0], 0.005))
    assert np.mean(covered) > 0.9
