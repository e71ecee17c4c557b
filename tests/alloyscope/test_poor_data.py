"""Poor data never raise: they give no value, and a quality that says why."""

import numpy as np

import alloyscope as al
from tests.alloyscope.conftest import TILTS


def state(images, heat=()):
    return al.ParticleState(images, TILTS, 0.7, heat)


def test_noise_alone_has_no_degree_of_alloying_and_no_d(rng):
    noise = rng.poisson(5.0, (2, 15, 32, 32))
    found = al.fit_diffusivity([state(noise[0]), state(noise[1], [(450, 60)])])
    assert np.isnan(found.value).all()
    assert [d.value for d in found.by_temperature.values()] == [None]
    assert found.quality.startswith("poor: ")
    assert all(s.value is None for s in found.degrees.states)
    assert "state 0: " in found.degrees.quality


def test_a_first_state_of_another_size_is_told(series, rng):
    found = al.alloying([state(series), state(rng.poisson(5.0, (15, 40, 40)), [(450, 60)])])
    assert found.states[1].value is None
    assert found.states[1].quality.startswith("poor: ")


def test_blank_and_few_images_are_told_in_the_quality(series):
    blank = series.copy()
    blank[4] = 0
    found = al.align(blank, TILTS)
    assert "blank" in found.quality
    assert found.images.shape == series.shape
    assert found.used.tolist() == [n != 4 for n in range(15)]
    whole, holed = (al.reconstruct(s, TILTS, iterations=3) for s in (series, blank))
    assert np.corrcoef(whole.volume.ravel(), holed.volume.ravel())[0, 1] > 0.98
    few = al.reconstruct(series[5:10], TILTS[5:10], iterations=2)
    assert few.quality.startswith("poor: only 5 usable tilts")
    assert few.volume.shape == (32, 32, 32)


def test_a_map_without_counts_has_no_composition():
    counts = np.zeros((8, 8, 512), int)
    map_ = al.spectrum_image(counts, pixel_nm=0.5, channel_ev=20, beam_kev=200)
    found = al.quantify_edx(map_, ["Ag_La", "Au_Ma"])
    assert [q.value for q in found.at_pct.values()] == [None, None]
    assert found.quality.startswith("poor: no counts")
    rings = al.radial_profile(map_, ["Ag_La", "Au_Ma"])
    assert rings.radius_nm.size == 0
    assert rings.quality.startswith("poor: no counts")
    assert rings.shell_nm.value is None


def test_few_counts_are_below_the_limit(rng):
    counts = rng.poisson(0.02, (8, 8, 512))
    map_ = al.spectrum_image(counts, pixel_nm=0.5, channel_ev=20, beam_kev=200)
    found = al.quantify_edx(map_, ["Ag_La", "Au_Ma"])
    assert found.quality.startswith("poor: ")
    rings = al.radial_profile(map_, ["Ag_La", "Au_Ma"])
    assert rings.quality.startswith("poor: ")


def test_an_image_without_particles_gives_none(rng):
    found = al.find_particles(rng.normal(100.0, 5.0, (64, 64)), 0.5, method="watershed")
    assert len(found) == 0
    assert found.quality == "poor: image: no particles"


def test_a_particle_cut_by_the_edge_is_told():
    y, x = np.indices((64, 64))
    image = 50.0 * ((y - 2) ** 2 + (x - 30) ** 2 < 150) + np.random.default_rng(0).poisson(4.0, (64, 64))
    found = al.find_particles(image, 0.5, method="watershed")
    assert found.quality.startswith("poor: cut by the edge")
