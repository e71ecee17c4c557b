"""EDX on the twin, whose every photon is drawn, and on somebody else's real particles."""

import json
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest

from analysis.edx import map_report
from analysis.edx.composition import composition
from analysis.edx.decomposition import components_seen, principal_components
from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.k_factors import k_factors
from analysis.edx.lines.axis_by_peaks import calibrated
from analysis.edx.lines.fit import LineFit, fit_lines
from analysis.edx.lines.learned import learned
from analysis.edx.lines.model import channels_around, line_model
from analysis.edx.map_analysis import analyse_map
from analysis.edx.radial_profile import distances
from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.x_ray_lines import line_family
from analysis.files.k_table import read_k_table
from analysis.files.spectrum_file import read_spectrum_image
from drivers.errors import ConfigError
from simulators.edx_particles import amounts, emission, segregated_ball
from simulators.x_rays import Emission, XRayDetector, spectrum_image

LINES = ("Ag_La", "Au_Ma")
K = "Ag_La/Au_Ma=1.44:0.01"
STRAY = {"C_Ka": 8.0, "Cu_Ka": 3.0, "Si_Ka": 0.5, "O_Ka": 1.5}
CORE, SURFACE = 0.49, 0.58
SEEDS = range(20)


def families(*names: str, beam_kev: float = 80.0):
    return [line_family(name, beam_kev) for name in names]


@lru_cache(maxsize=1)
def maps(core: float, surface: float) -> list[tuple[SpectrumImage, dict[str, np.ndarray], object]]:
    """Moreira et al.'s maps of one ball of 8 nm with a shell of 1.5 nm, some 300 counts per pixel."""
    found = []
    for seed in SEEDS:
        rng = np.random.default_rng([seed, 5])
        centre_px = tuple(31.5 + rng.uniform(-3.0, 3.0, 2))
        atoms = amounts(segregated_ball(4.0, core, surface, 1.5), (64, 64), 0.25, centre_px)
        made = emission(atoms, {"Ag_La": 1.44, "Au_Ma": 1.0}, 33.0, 80.0, stray=STRAY)
        image = SpectrumImage(spectrum_image(made, XRayDetector(), rng), EnergyAxis(0.0, 0.02, 1024), 0.25, 80.0)
        found.append((image, atoms, analyse_map(image, LINES, [K], radial=True)))
    return found


def true_silver(image, atoms, result):
    """Of each ring, and of core and surface, as projected."""
    profile = result.profile
    _, distance_nm = distances(image, result.region, result.model.families[:2])
    rings = len(profile.radius_nm)
    ring = np.floor(distance_nm / 0.5).astype(int)

    def part(inside):
        return atoms["Ag"][inside].sum() / (atoms["Ag"] + atoms["Au"])[inside].sum()

    inner = int(np.sum(profile.radius_nm < 0.5 * profile.radius_nm[-1]))
    return (
        np.array([part(ring == n) for n in range(rings)]),
        part(ring < inner),
        part((ring >= rings - 2) & (ring < rings)),
    )


def test_core_and_surface_come_out_as_they_are_projected():
    seen = [(r.profile, *true_silver(i, a, r)) for i, a, r in maps(CORE, SURFACE)]
    assert abs(np.mean([p.core[0] - core for p, _, core, _ in seen])) < 0.01
    assert abs(np.mean([p.surface[0] - surface for p, _, _, surface in seen])) < 0.01
    off = np.concatenate([(p.rings.fractions[:, 0] - rings) / p.rings.noise_std[:, 0] for p, rings, _, _ in seen])
    assert np.mean(np.abs(off) < 3.0) >= 0.98
    assert 0.8 < np.sqrt(np.mean(off**2)) < 1.25
    claimed = [seed for seed, (p, *_) in zip(SEEDS, seen, strict=True) if p.difference_sigmas[0] <= 3.0]
    assert not claimed, f"no enrichment seen with seeds {claimed}"


def test_the_shells_of_a_ball_are_told_from_its_rings():
    errors, off = [], []
    for _, _, result in maps(CORE, SURFACE):
        profile = result.profile
        true = CORE + (SURFACE - CORE) * np.clip((profile.radius_nm - 2.5) / 1.5, 0.0, 1.0)
        inside = profile.radius_nm < 4.0
        errors.append((profile.shells[:, 0] - true)[inside])
        off.append(errors[-1] / profile.shells_std[inside, 0])
    outer = slice(4, None)
    assert np.abs(np.nanmean(errors, axis=0))[outer].max() < 0.02
    assert np.abs(np.nanmean(off, axis=0)).max() < 1.0
    assert 0.75 < np.sqrt(np.nanmean(np.square(off))) < 1.3


def test_an_even_particle_has_no_enriched_surface():
    claims = [
        seed for seed, (*_, r) in zip(SEEDS, maps(0.5, 0.5), strict=True) if "more" in r.profile.in_words(r.elements)
    ]
    assert len(claims) <= 1, f"claimed with seeds {claims}"


@pytest.mark.parametrize(
    "photons",
    [{"S_Ka": 4000.0, "Pb_Ma": 2500.0, "Si_Ka": 300.0}, {"Ag_La": 4000.0, "Cd_La": 3000.0, "S_Ka": 500.0}],
    ids=["S K under Pb M", "Cd L-alpha under Ag L-beta"],
)
def test_errors_of_overlapping_lines_mean_what_they_say(rng, photons):
    asked = families(*photons)
    even = {name: np.full((1, 200), n) for name, n in photons.items()}
    cube = spectrum_image(Emission(even, np.full((1, 200), 9000.0), 80.0), XRayDetector(channel_ev=10.0), rng)
    total = cube.sum(axis=(0, 1)).astype(float)
    axis = calibrated(EnergyAxis(0.0, 0.01, 1024), total, asked, 80.0)
    model = learned(line_model(axis, channels_around(axis, asked), asked), total)
    fit = fit_lines(model, cube[0])
    off = (fit.counts - list(photons.values())) / fit.std
    assert np.all((off.std(axis=0) > 0.85) & (off.std(axis=0) < 1.15))
    # What all spectra have in common: the shapes, which were learned from their sum.
    mean = fit.counts.mean(axis=0)
    variance = np.diagonal(model.shape_covariance(mean[None])[0] + fit.covariance.mean(axis=0) / 200.0)
    assert np.all(np.abs(mean - list(photons.values())) < 2.5 * np.sqrt(variance))
    assert fit.covariance[0, 0, 1] < -0.05 * fit.std[0, 0] * fit.std[0, 1]


def test_pixels_with_few_counts_are_not_biased(rng):
    asked = families(*LINES)
    axis = EnergyAxis(0.0, 0.02, 1024)
    even = {name: np.full((40, 40), 3.0) for name in LINES}
    cube = spectrum_image(Emission(even, np.full((40, 40), 6.0), 80.0), XRayDetector(), rng)
    spectra = cube.reshape(1600, -1)
    fit = fit_lines(line_model(axis, channels_around(axis, asked), asked), spectra, like=spectra.sum(axis=0))
    assert fit.counts.mean(axis=0) == pytest.approx([3.0, 3.0], abs=4.0 * 1.8 / 40.0)
    assert fit.counts.std(axis=0) == pytest.approx(fit.std.mean(axis=0), rel=0.1)


def test_errors_of_fractions_follow_counts_and_factors():
    asked = families("Ag_La", "Au_Ma", "Cu_Ka")
    factors = k_factors(asked, ["Ag_La=1.4:0.07", "Au_Ma=1.0:0.02", "Cu_Ka=0.8:0.04"])
    counts = np.array([[900.0, 1400.0, 300.0]])
    covariance = np.array([[[900.0, -90.0, 0.0], [-90.0, 1500.0, 40.0], [0.0, 40.0, 400.0]]])

    def fractions(i, ln_k):
        amounts = i * np.exp(ln_k)
        return amounts / amounts.sum(axis=-1, keepdims=True)

    found = composition(LineFit(counts, covariance, np.zeros((1, 3)), np.zeros((1, 1)), np.ones(1)), factors)
    rng = np.random.default_rng(1)
    drawn = rng.multivariate_normal(counts[0], covariance[0], 40000)
    assert found.noise_std[0] == pytest.approx(fractions(drawn, factors.ln_k).std(axis=0), rel=0.03)
    drawn = rng.multivariate_normal(factors.ln_k, factors.covariance, 40000)
    assert found.factor_std[0] == pytest.approx(fractions(counts, drawn).std(axis=0), rel=0.03)


def test_a_pair_and_its_two_factors_are_the_same():
    asked = families(*LINES)
    pair, single = k_factors(asked, ["Ag_La/Au_Ma=1.44"]), k_factors(asked, ["Ag_La=2.88", "Au_Ma=2.0"])
    assert np.diff(pair.ln_k) == pytest.approx(np.diff(single.ln_k))
    by_weight = k_factors(asked, [f"Ag_La/Au_Ma={1.44 * 107.8682 / 196.967}"], "weight")
    assert np.diff(by_weight.ln_k) == pytest.approx(np.diff(pair.ln_k), abs=1e-4)
    assert not pair.computed


def test_a_table_of_factors_gives_those_of_the_lines_asked_for(tmp_path):
    path = tmp_path / "k.toml"
    path.write_text('basis = "weight"\n[k]\nFe_Ka = 1.450226\nPt_La = 5.075602\n"Ag_La/Au_Ma" = [1.44, 0.01]\n')
    table = read_k_table(path)
    assert table.of(["Ag_La", "Au_Ma"]) == ["Ag_La/Au_Ma=1.44:0.01"]
    one_by_one = ["Fe_Ka=1.450226", "Pt_La=5.075602"]
    asked = families("Fe_Ka", "Pt_La", beam_kev=200.0)
    found, given = k_factors(asked, table.of(["Fe_Ka", "Pt_La"]), table.basis), k_factors(asked, one_by_one, "weight")
    assert found.ln_k == pytest.approx(given.ln_k)
    path.write_text('[k]\nFe_Ka = "much"\n')
    with pytest.raises(ConfigError, match="Fe_Ka"):
        read_k_table(path)


def test_a_missing_factor_is_computed_and_said_to_be():
    asked = families("Fe_Ka", "Pt_La", beam_kev=200.0)
    factors = k_factors(asked)
    assert factors.computed == ("Fe_Ka", "Pt_La")
    ratio = np.exp(factors.ln_k[1] - factors.ln_k[0]) * 195.084 / 55.845
    assert ratio == pytest.approx(5.075602 / 1.450226, rel=0.1)  # a maker's own, by weight
    std = np.sqrt(np.array([1, -1]) @ factors.covariance @ np.array([1, -1]))
    assert 0.08 < std < 0.15


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["Ag_La:1.44"], "is no factor"),
        (["Ag_La/Cu_Ka=1.0"], "Cu_Ka is not among the lines"),
        (["Ag_La=-1"], "above 0"),
        (["Ag_La=1.44"], "relative to nothing"),
        (["Ag_La/Au_Ma=1.44", "Au_Ma/Ag_La=1.0"], "contradicts"),
    ],
)
def test_factors_that_make_no_sense_are_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        k_factors(families(*LINES), given)


def test_a_line_has_the_width_and_place_it_should():
    axis = EnergyAxis(0.0, 0.005, 4096, fwhm_mn_kev=0.130)
    peak, energies = axis.peak(5.895), axis.energies_kev
    assert peak.sum() == pytest.approx(1.0)
    assert peak @ energies == pytest.approx(5.895, abs=1e-4)
    half = energies[peak > 0.5 * peak.max()]
    assert half[-1] - half[0] == pytest.approx(0.130, abs=0.006)
    assert all(a < b for a, b in pairwise(axis.fwhm_kev(e) for e in (0.5, 2.0, 6.0, 15.0)))


def test_lines_that_factors_do_not_lead_to_are_named():
    asked = families("Fe_Ka", "Pt_La", "Cu_Ka", beam_kev=200.0)
    factors = k_factors(asked, ["Fe_Ka/Pt_La=0.3:0.01"])
    assert factors.computed == ("Cu_Ka",)
    assert np.exp(factors.ln_k[0] - factors.ln_k[1]) == pytest.approx(0.3, rel=0.02)
    assert k_factors(asked, ["Fe_Ka=1.0", "Pt_La=1.1", "Cu_Ka=1.2"]).computed == ()


@pytest.mark.parametrize(("name", "kev"), [("Ag_La", 2.983), ("Au_Ma", 2.121), ("Fe_Ka", 6.399), ("Pt_La", 9.434)])
def test_lines_lie_where_tables_have_them(name, kev):
    family = line_family(name, 200.0)
    assert family.main_kev == pytest.approx(kev, abs=0.012)
    beta = sum(line.strength for line in family.lines if 1.05 < line.energy_kev / family.main_kev < 1.2)
    assert beta == pytest.approx({"Ag_La": 0.65, "Au_Ma": 0.0, "Fe_Ka": 0.14, "Pt_La": 0.72}[name], abs=0.1)


@pytest.mark.parametrize(
    ("name", "words"), [("Xx_Ka", "no element"), ("Ag_Lb", "main line"), ("Au_Ka", "does not excite|no such")]
)
def test_lines_that_are_not_there_are_refused(name, words):
    with pytest.raises(ValueError, match=words):
        line_family(name, 60.0)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_the_scree_shows_as_many_components_as_there_are(number):
    """Each element in another place, and bremsstrahlung with the first."""
    y, x = np.indices((32, 32)) / 32.0
    lines = {"Ag_La": 60 * x, "Au_Ma": 60 * y, "Cu_Ka": 40 * (1 - x) * (1 - y), "Fe_Ka": 30 * np.sin(6 * x) ** 2}
    wrong = []
    for seed in range(10):
        made = Emission(dict(list(lines.items())[:number]), 30.0 * x, 200.0)
        cube = spectrum_image(made, XRayDetector(channels=512), np.random.default_rng(seed))
        if components_seen(principal_components(cube.reshape(1024, -1))) != number:
            wrong.append(seed)
    assert len(wrong) <= 1, f"wrong with seeds {wrong}"


def test_the_core_of_real_iron_platinum_particles(real_data):
    """Rossouw et al. (2015), whose 14.47 at% are by the maker's factors, which are by weight."""
    image = read_spectrum_image(real_data / "fept_core_shell_eds" / "core_shell.hspy")
    given = ["Fe_Ka=1.450226", "Pt_La=5.075602"]
    result = analyse_map(image, ["Fe_Ka", "Pt_La"], given, basis="weight", decompose=True)
    assert {"Cu_Ka", "Co_Ka"} <= {f.name for f in result.model.families}
    assert components_seen(principal_components(image.binned(2).counts.reshape(1024, -1))) == 3
    for parts in (result.split.non_negative, result.split.independent):
        iron = sorted(100.0 * p.fractions[0] for p in parts if p.of_particle)
        assert iron[0] == pytest.approx(14.5, abs=1.5)
        assert iron[-1] > 99.0  # the shell is iron oxide
    (shell,) = [p for p in result.split.independent if p.of_particle and p.fractions[0] > 0.9]
    assert shell.counts > 1e4


@pytest.mark.parametrize(
    ("name", "shape", "pixel_nm", "tilt_deg", "channel_ev"),
    [
        ("velox_emd/fei_SI_SuperX-HAADF_10frames_10x50.emd", (50, 10, 4096), 1.234, -35.34, 5.0),
        ("pd_tio2_bruker_bcf/test_TEM.bcf", (64, 64, 2048), 0.771, 0.0, 10.0),
    ],
)
def test_files_of_velox_and_bruker_open(real_data, name, shape, pixel_nm, tilt_deg, channel_ev):
    image = read_spectrum_image(real_data / name)
    assert image.counts.shape == shape
    assert (image.pixel_nm, image.beam_kev) == (pytest.approx(pixel_nm, abs=1e-3), 200.0)
    assert image.tilt_deg == pytest.approx(tilt_deg, abs=0.01)
    assert 1e3 * image.axis.channel_kev == pytest.approx(channel_ev, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axis": EnergyAxis(0.0, -0.02, 8)}, "calibrate the energy axis"),
        ({"pixel_nm": -0.5}, "calibrate it"),
        ({"counts": np.zeros((4, 8), np.uint8)}, r"\(y, x, channel\)"),
        ({"counts": np.full((4, 4, 8), 0.5)}, "no counts"),
        ({"counts": np.full((4, 4, 8), np.nan)}, "no counts"),
        ({"counts": np.full((4, 4, 8), -1)}, "no counts"),
    ],
)
def test_a_map_without_calibration_is_refused(change, words):
    good = {
        "counts": np.zeros((4, 4, 8), np.uint8),
        "axis": EnergyAxis(0.0, 0.02, 8),
        "pixel_nm": 1.0,
        "beam_kev": 80.0,
    }
    with pytest.raises(ConfigError, match=words):
        SpectrumImage(**(good | change))


def film(counts_per_pixel: float, pixel_nm: float, rng) -> SpectrumImage:
    even = {name: np.full((24, 24), 0.4 * counts_per_pixel) for name in LINES}
    cube = spectrum_image(Emission(even, np.full((24, 24), 0.2 * counts_per_pixel), 80.0), XRayDetector(), rng)
    return SpectrumImage(cube, EnergyAxis(0.0, 0.02, 1024), pixel_nm, 80.0, simulated=True)


def test_an_even_film_is_quantified_as_a_whole(rng):
    result = analyse_map(film(50.0, 1.0, rng), LINES, [K])
    assert result.region.all()
    assert any("no particles stand out" in note for note in result.notes)


def test_rings_are_no_narrower_than_pixels(rng):
    atoms = amounts(segregated_ball(10.0, 0.5, 0.5, 1.5), (24, 24), 1.234, (11.5, 11.5))
    made = emission(atoms, {"Ag_La": 1.44, "Au_Ma": 1.0}, 30.0, 80.0)
    image = SpectrumImage(spectrum_image(made, XRayDetector(), rng), EnergyAxis(0.0, 0.02, 1024), 1.234, 80.0)
    result = analyse_map(image, LINES, [K], radial=True)
    assert result.profile.ring_nm == 1.234
    json.dumps(map_report.as_json(result), allow_nan=False)
    assert list(map_report.lines(result))


def test_components_of_a_map_tell_their_own_scatter():
    """What the split leaves open, too: found again in other counts of the same particle, they differ by their sigma."""
    found, told = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        atoms = amounts(segregated_ball(5.0, 0.3, 0.9, 1.5), (24, 24), 0.5, (11.5, 11.5))
        made = emission(atoms, {"Ag_La": 1.44, "Au_Ma": 1.0}, 30.0, 80.0, stray={"C_Ka": 5.0})
        image = SpectrumImage(
            spectrum_image(made, XRayDetector(channels=512), rng), EnergyAxis(0, 0.02, 512), 0.5, 80.0
        )
        parts = analyse_map(image, LINES, [K], decompose=True, number=3).split.independent
        least = min((p for p in parts if p.of_particle), key=lambda p: p.fractions[0])
        found.append(least.fractions[0])
        told.append(least.std[0])
    assert 0.3 < np.std(found, ddof=1) / np.mean(told) < 2.5
