"""Wrong input gives a ValueError that names the argument and says what to do."""

import re

import numpy as np
import pytest

import alloyscope as al
from tests.alloyscope.conftest import TILTS

IMAGES = np.random.default_rng(0).poisson(5.0, (15, 16, 16)).astype(float)
IMAGE = np.random.default_rng(0).poisson(5.0, (32, 32)).astype(float)
COUNTS = np.random.default_rng(0).poisson(0.3, (8, 8, 256)).astype(float)
T, D, STD = [400.0, 420.0, 440.0], [1e-20, 2e-20, 4e-20], [1e-22, 2e-22, 4e-22]
BALL = al.CoreShell("sphere", 12.0, 8.0, voxel_nm=1.0)
MAP = al.spectrum_image(COUNTS, pixel_nm=0.5, channel_ev=20, beam_kev=200)
LINES = ["Ag_La", "Au_Ma"]
REMEDY = re.compile(
    r"^[\w\[\], ]+: .+; (give|replace|convert|reshape|leave|fill|make|check|sort|see|calibrate|export|begin)"
)

ARRAYS = {
    "align images": (lambda v: al.align(v, TILTS), IMAGES, "images"),
    "align tilts": (lambda v: al.align(IMAGES, v), TILTS, "tilts_deg"),
    "reconstruct images": (lambda v: al.reconstruct(v, TILTS), IMAGES, "images"),
    "reconstruct tilts": (lambda v: al.reconstruct(IMAGES, v), TILTS, "tilts_deg"),
    "project volume": (lambda v: al.project(v, TILTS), IMAGES, "volume"),
    "project tilts": (lambda v: al.project(IMAGES, v), TILTS, "tilts_deg"),
    "state images": (lambda v: al.ParticleState(v, TILTS, 0.5), IMAGES, "images"),
    "state tilts": (lambda v: al.ParticleState(IMAGES, v, 0.5), TILTS, "tilts_deg"),
    "arrhenius temperatures": (lambda v: al.fit_arrhenius(v, D, STD), np.array(T), "temperatures_c"),
    "arrhenius d": (lambda v: al.fit_arrhenius(T, v, STD), np.array(D), "d_m2_per_s"),
    "arrhenius std": (lambda v: al.fit_arrhenius(T, D, v), np.array(STD), "d_std_m2_per_s"),
    "diffusion seconds": (lambda v: al.simulate_diffusion(BALL, v, d_m2_per_s=1e-19), np.array([0.0, 1.0]), "seconds"),
    "particles image": (lambda v: al.find_particles(v, 0.5), IMAGE, "image"),
    "spectrum counts": (
        lambda v: al.spectrum_image(v, pixel_nm=0.5, channel_ev=20, beam_kev=200),
        COUNTS,
        "counts",
    ),
    "edx region": (lambda v: al.quantify_edx(MAP, LINES, region=v), np.array([0, 4, 0, 4]), "region"),
}


def with_first(value):
    def spoil(good):
        bad = np.array(good, np.result_type(good, value))
        bad.flat[0] = value
        return bad

    return spoil


SPOILT = {
    "NaN": with_first(np.nan),
    "inf": with_first(np.inf),
    "complex": with_first(1j),
    "text": lambda good: np.asarray(good).astype(str),
    "a word": lambda good: "images.tif",
    "nothing": lambda good: None,
    "ragged": lambda good: [[1.0], [2.0, 3.0]],
    "empty": lambda good: np.asarray(good)[:0],
    "too many dimensions": lambda good: np.asarray(good)[None],
    "a number": lambda good: 3.0,
    "masked": lambda good: np.ma.masked_equal(good, np.asarray(good).flat[0]),
    "booleans": lambda good: np.asarray(good) > 0,
}


CASES = [(function, spoilt) for function in ARRAYS for spoilt in SPOILT]
CASES.remove(("edx region", "nothing"))  # without a region the particles that stand out are quantified


@pytest.mark.parametrize(("function", "spoilt"), CASES)
def test_an_array_that_is_none_is_refused(function, spoilt):
    call, good, name = ARRAYS[function]
    with pytest.raises(ValueError, match=rf"^{name}: ") as refusal:
        call(SPOILT[spoilt](good))
    assert REMEDY.match(str(refusal.value)), refusal.value


ONE = np.random.default_rng(0).poisson(5.0, (15, 16, 16))
STATE = al.ParticleState(ONE, TILTS, 0.5)
HEATED = al.ParticleState(ONE, TILTS, 0.5, [(450, 60)])
WRONG = {
    "too few angles": ("tilts_deg", lambda: al.align(IMAGES, TILTS[:-1])),
    "angles in the hundreds": ("tilts_deg", lambda: al.reconstruct(IMAGES, 10.0 * TILTS)),
    "one angle throughout": ("tilts_deg", lambda: al.reconstruct(IMAGES, np.zeros(15))),
    "two images": ("images", lambda: al.align(IMAGES[:2], TILTS[:2])),
    "tiny images": ("images", lambda: al.align(IMAGES[:, :8, :8], TILTS)),
    "even images": ("images", lambda: al.align(np.ones((15, 16, 16)), TILTS)),
    "an even image": ("image", lambda: al.find_particles(np.ones((32, 32)), 0.5)),
    "unknown method": ("method", lambda: al.reconstruct(IMAGES, TILTS, method="fbp")),
    "no iterations": ("iterations", lambda: al.reconstruct(IMAGES, TILTS, iterations=0)),
    "half an iteration": ("iterations", lambda: al.reconstruct(IMAGES, TILTS, iterations=0.5)),
    "pixel 0": ("pixel_nm", lambda: al.reconstruct(IMAGES, TILTS, pixel_nm=0.0)),
    "pixel below 0": ("pixel_nm", lambda: al.ParticleState(IMAGES, TILTS, -0.5)),
    "pixel NaN": ("pixel_nm", lambda: al.find_particles(IMAGE, np.nan)),
    "pixel as text": ("pixel_nm", lambda: al.find_particles(IMAGE, "0.5 nm")),
    "pixel complex": ("pixel_nm", lambda: al.find_particles(IMAGE, 1j)),
    "pixel a list": ("pixel_nm", lambda: al.ParticleState(IMAGES, TILTS, [0.5, 0.5])),
    "pixel nothing": ("pixel_nm", lambda: al.ParticleState(IMAGES, TILTS, None)),
    "heat as one pair": ("heat", lambda: al.ParticleState(IMAGES, TILTS, 0.5, (450, 60))),
    "heat as text": ("heat", lambda: al.ParticleState(IMAGES, TILTS, 0.5, "450 C")),
    "heat of no time": ("heat", lambda: al.ParticleState(IMAGES, TILTS, 0.5, [(450, 0)])),
    "heat below zero": ("heat", lambda: al.ParticleState(IMAGES, TILTS, 0.5, [(-300, 10)])),
    "gain 0": ("gain", lambda: al.ParticleState(IMAGES, TILTS, 0.5, gain=0)),
    "sweep": ("swept_deg", lambda: al.ParticleState(IMAGES, TILTS, 0.5, swept_deg=40)),
    "no states": ("states", lambda: al.alloying([])),
    "a state alone": ("states", lambda: al.alloying(STATE)),
    "images as states": ("states", lambda: al.alloying([IMAGES])),
    "first state heated": ("states", lambda: al.alloying([HEATED])),
    "one state for D": ("states", lambda: al.fit_diffusivity([STATE])),
    "unknown spread": ("spread", lambda: al.alloying([STATE], spread="range")),
    "a seed below 0": ("seed", lambda: al.alloying([STATE], seed=-1)),
    "no core": ("core", lambda: al.alloying([STATE], core="")),
    "D below 0": ("d_m2_per_s", lambda: al.fit_arrhenius(T, [-1e-20, 2e-20, 3e-20], STD)),
    "std 0": ("d_std_m2_per_s", lambda: al.fit_arrhenius(T, D, [0, 1e-22, 1e-22])),
    "fewer D": ("d_m2_per_s", lambda: al.fit_arrhenius(T, D[:2], STD)),
    "fewer windows": ("windows", lambda: al.fit_arrhenius(T, D, STD, ["a", "b"])),
    "windows a word": ("windows", lambda: al.fit_arrhenius(T, D, STD, "abc")),
    "unknown reference": ("reference", lambda: al.fit_arrhenius(T, D, STD, reference="edge")),
    "below absolute zero": ("temperatures_c", lambda: al.fit_arrhenius([-300, 400, 420], D, STD)),
    "a prior of one number": ("q_prior_j_per_mol", lambda: al.fit_arrhenius(T, D, STD, q_prior_j_per_mol=(208e3,))),
    "times that fall": ("seconds", lambda: al.simulate_diffusion(BALL, [10, 5], d_m2_per_s=1e-19)),
    "times twice": ("seconds", lambda: al.simulate_diffusion(BALL, [5, 5], d_m2_per_s=1e-19)),
    "time below 0": ("seconds", lambda: al.simulate_diffusion(BALL, [-5, 5], d_m2_per_s=1e-19)),
    "neither": ("d_m2_per_s, temperature_c", lambda: al.simulate_diffusion(BALL, [5])),
    "both": (
        "d_m2_per_s, temperature_c",
        lambda: al.simulate_diffusion(BALL, [5], d_m2_per_s=1e-19, temperature_c=450),
    ),
    "D 0": ("d_m2_per_s", lambda: al.simulate_diffusion(BALL, [5], d_m2_per_s=0)),
    "too cold": ("temperature_c", lambda: al.simulate_diffusion(BALL, [5], temperature_c=-280)),
    "Q 0": ("q_j_per_mol", lambda: al.simulate_diffusion(BALL, [5], temperature_c=450, q_j_per_mol=0)),
    "no particle": ("particle", lambda: al.simulate_diffusion("cube", [5], d_m2_per_s=1e-19)),
    "unknown shape": ("shape", lambda: al.CoreShell("star", 12.0, 8.0)),
    "core outside": ("core_nm", lambda: al.CoreShell("cube", 12.0, 14.0)),
    "a rod of one size": ("outer_nm", lambda: al.CoreShell("rod", 12.0, (6.0, 5.0))),
    "a rod lying": ("outer_nm", lambda: al.CoreShell("rod", (10.0, 20.0), (8.0, 6.0))),
    "coarse voxels": ("voxel_nm", lambda: al.CoreShell("cube", 12.0, 8.0, voxel_nm=5.0)),
    "unread counts": (
        "counts",
        lambda: al.spectrum_image(COUNTS - 1.0, pixel_nm=0.5, channel_ev=20, beam_kev=200),
    ),
    "beam 0": ("beam_kev", lambda: al.spectrum_image(COUNTS, pixel_nm=0.5, channel_ev=20, beam_kev=0)),
    "an array for a map": ("spectrum_image_or_path", lambda: al.quantify_edx(COUNTS, LINES)),
    "a map that is not there": ("spectrum_image_or_path", lambda: al.quantify_edx("nowhere.hspy", LINES)),
    "one line": ("lines", lambda: al.quantify_edx(MAP, ["Ag_La"])),
    "a line that is none": ("lines", lambda: al.radial_profile(MAP, ["Ag_Lx", "Au_Ma"])),
    "a factor that is none": ("k", lambda: al.quantify_edx(MAP, LINES, ["1.44"])),
    "unknown basis": ("k_basis", lambda: al.quantify_edx(MAP, LINES, k_basis="mass")),
    "a region outside": ("region", lambda: al.quantify_edx(MAP, LINES, region=(0, 99, 0, 4))),
    "unknown outlines": ("method", lambda: al.find_particles(IMAGE, 0.5, method="canny")),
    "unknown denoising": ("denoised", lambda: al.find_particles(IMAGE, 0.5, denoised="median")),
    "no folder": ("folder", lambda: al.open_session("nowhere")),
    "a folder as number": ("folder", lambda: al.open_session(3)),
    "nothing to read": ("path", lambda: al.read("nowhere.tif")),
    "nothing as a path": ("path", lambda: al.read(None)),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_makes_no_sense_is_refused(what):
    name, call = WRONG[what]
    with pytest.raises(ValueError, match=rf"^{re.escape(name)}(\[\d+\])?( \w+)?: "):
        call()


def test_tilts_may_come_in_any_order(series):
    order = np.random.default_rng(2).permutation(len(TILTS))
    one = al.reconstruct(series, TILTS, iterations=3, aligned=True).volume
    other = al.reconstruct(series[order], TILTS[order], iterations=3, aligned=True).volume
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3 * one.max())


def test_lists_are_as_good_as_arrays():
    listed = al.fit_arrhenius(T, D, STD)
    arrays = al.fit_arrhenius(np.array(T), np.array(D), np.array(STD))
    assert listed.q_j_per_mol == arrays.q_j_per_mol
