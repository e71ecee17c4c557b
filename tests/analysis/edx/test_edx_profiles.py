"""Shells, sizes, weights and windows: what a map tells beside its composition, on the twin."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.map_analysis import analyse_map
from analysis.edx.shell_thickness import shell_thickness
from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.x_ray_lines import molar_masses
from simulators.edx_particles import Ball, amounts, emission, segregated_ball
from simulators.x_rays import XRayDetector, spectrum_image

LINES, K = ("Ag_La", "Au_Ma"), ["Ag_La/Au_Ma=1.44:0.01"]
STRAY = {"C_Ka": 8.0, "Cu_Ka": 3.0, "Si_Ka": 0.5}


def mapped(atoms, seed: int, photons_per_nm: float = 33.0, pixel_nm: float = 0.25) -> SpectrumImage:
    made = emission(atoms, {"Ag_La": 1.44, "Au_Ma": 1.0}, photons_per_nm, 80.0, stray=STRAY)
    counts = spectrum_image(made, XRayDetector(), np.random.default_rng([seed, 7]))
    return SpectrumImage(counts, EnergyAxis(0.0, 0.02, 1024), pixel_nm, 80.0, simulated=True)


def even_shell(radius_nm: float, core: float, shell: float, thickness_nm: float) -> Ball:
    def fractions(r_nm):
        silver = np.where(r_nm > radius_nm - thickness_nm, shell, core)
        return {"Ag": silver, "Au": 1.0 - silver}

    return Ball(radius_nm, fractions)


def test_fit_and_windows_tell_the_whole_particle_and_agree():
    """Over the whole particle, with its thin rim, whatever a threshold cut off."""
    off, plain, apart = [], [], []
    for seed in range(12):
        atoms = amounts(segregated_ball(4.0, 0.49, 0.58, 1.5), (64, 64), 0.25, (31.0, 32.0))
        silver = atoms["Ag"].sum() / (atoms["Ag"] + atoms["Au"]).sum()
        found = analyse_map(mapped(atoms, seed), LINES, K)
        windows = found.by_ranges
        assert windows is not None
        # The strengths of lines are learned from each map anew, so that maps scatter by them, too.
        off.append((found.composition.fractions[0, 0] - silver) / found.composition.std[0, 0])
        plain.append((windows.fractions[0, 0] - silver) / windows.noise_std[0, 0])
        apart.append(windows.noise_std[0, 0] / found.composition.noise_std[0, 0])
    for told in (off, plain):
        assert abs(np.mean(told)) < 1.0
        assert 0.5 < np.std(told, ddof=1) < 1.6
    assert 1.0 < np.mean(apart) < 1.5  # the fit knows the peaks' shape, and so it knows more


def test_windows_are_not_believed_where_another_line_lies_in_them():
    atoms = amounts(segregated_ball(4.0, 0.5, 0.5, 1.5), (32, 32), 0.5, (15.0, 16.0))
    made = emission(atoms, {"Ag_La": 1.44, "Au_Ma": 1.0}, 33.0, 80.0, stray={"S_Ka": 9.0})
    counts = spectrum_image(made, XRayDetector(), np.random.default_rng(1))
    found = analyse_map(SpectrumImage(counts, EnergyAxis(0.0, 0.02, 1024), 0.5, 80.0), LINES, K)
    assert found.by_ranges is None
    assert found.composition.fractions[0, 0] == pytest.approx(0.5, abs=4.0 * found.composition.std[0, 0])


def test_weight_and_atomic_percent_are_one_composition():
    from analysis.edx.composition import by_weight

    atoms = amounts(segregated_ball(4.0, 0.5, 0.5, 1.5), (32, 32), 0.5, (15.0, 16.0))
    found = analyse_map(mapped(atoms, 1, pixel_nm=0.5), LINES, K).composition
    masses = np.array([molar_masses()[e] for e in ("Ag", "Au")])
    weights = by_weight(found, masses)
    back = weights.fractions[0] / masses
    assert back / back.sum() == pytest.approx(found.fractions[0])
    assert weights.fractions[0, 0] == pytest.approx(0.354, abs=0.01)
    # d w / d f of a mixture of two, by hand.
    slope = masses[0] * masses[1] / (found.fractions[0] @ masses) ** 2
    assert weights.std[0] == pytest.approx(slope * found.std[0], rel=1e-6)


@pytest.mark.parametrize(("thickness_nm", "blur_nm"), [(0.7, 0.6), (1.5, 0.0)])
def test_the_thickness_of_an_even_shell_is_told_through_blur_with_its_error(thickness_nm, blur_nm):
    off, told = [], []
    for seed in range(8):
        atoms = amounts(even_shell(4.0, 0.3, 0.8, thickness_nm), (64, 64), 0.25, (31.3, 31.8))
        blurred = {element: gaussian_filter(path_nm, blur_nm / 0.25) for element, path_nm in atoms.items()}
        profile = analyse_map(mapped(blurred, seed), LINES, K, radial=True).profile
        assert profile is not None
        assert profile.shell_nm is not None
        off.append((profile.shell_nm.value - thickness_nm) / profile.shell_nm.std)
        told.append(profile.shell_nm.std)
    assert np.mean(told) < 0.05
    assert abs(np.mean(off)) < 1.2
    assert 0.4 < np.std(off, ddof=1) < 1.7


def test_an_even_ball_has_no_shell_to_be_told():
    r = 0.25 * np.arange(16) + 0.125
    chord = 2.0 * np.sqrt(np.maximum(16.0 - r**2, 0.0))
    found = shell_thickness(0.25, chord, 0.01 + 0.01 * chord, np.full(16, 0.5), np.full(16, 0.01))
    assert found is None or found.std > 1.0


def test_particles_are_averaged_by_their_size():
    """Three small ones, rich in silver at their surface, and two large even ones; one is cut by the border."""
    places = [(3.0, (20.0, 20.0)), (3.0, (20.0, 62.0)), (3.0, (62.0, 20.0)), (5.0, (66.0, 68.0)), (5.0, (105.0, 40.0))]
    atoms = {element: np.zeros((128, 96)) for element in ("Ag", "Au")}
    for radius_nm, centre_px in [*places, (5.0, (126.0, 90.0))]:
        ball = segregated_ball(radius_nm, 0.4, 0.7 if radius_nm < 4.0 else 0.4, 1.2)
        for element, path_nm in amounts(ball, (128, 96), 0.25, centre_px).items():
            atoms[element] += path_nm
    classes = analyse_map(mapped(atoms, 3, 20.0), LINES, K, radial=True).by_size
    assert [c.particles for c in classes] == [3, 2]
    small, large = classes
    # 6 and 10 nm lie on the borders of classes.
    assert abs(0.5 * (small.from_nm + small.to_nm) - 6.0) <= 1.0
    assert abs(0.5 * (large.from_nm + large.to_nm) - 10.0) <= 1.0
    assert small.profile.difference_sigmas[0] > 5.0
    assert abs(large.profile.difference_sigmas[0]) < 3.0
    assert large.profile.core[0] == pytest.approx(0.4, abs=0.03)
