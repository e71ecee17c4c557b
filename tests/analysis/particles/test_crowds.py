"""Particles of few pixels, touching ones, and a large one in noise: none merged, split, or passed over in silence."""

import imageio.v3 as imageio
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from analysis.particles.looked_at import look_at
from tests.analysis.particles.balls import balls
from tests.command import alloyscope


@pytest.mark.parametrize("diameter_px", [5.0, 7.0, 9.0, 11.0])
def test_particles_of_few_pixels_are_all_found_and_as_large_as_they_say(diameter_px):
    rng = np.random.default_rng(4)
    places = [(a + rng.uniform(-3, 3), b + rng.uniform(-3, 3)) for a in range(12, 250, 22) for b in range(12, 250, 22)]
    seen = look_at(balls(places, diameter_px, 256, noise=3.0), 0.5, "learned")
    assert len(seen.particles) == len(places)
    sizes = np.array([p.diameter_nm.value for p in seen.particles])
    assert sizes.mean() == pytest.approx(0.5 * diameter_px, rel=0.06)
    off = [(p.diameter_nm.value - 0.5 * diameter_px) / p.diameter_nm.std for p in seen.particles]
    assert np.abs(off).max() < 2.0
    small = any(f"{len(places)} particles are less than 10 px across" in note for note in seen.notes)
    assert small == (diameter_px < 10.0)


def test_touching_particles_have_a_size_in_the_summary_and_small_ones_a_warning(tmp_path):
    for diameter_px, least in ((24, 49), (7, 46)):
        pitch = float(diameter_px)
        places = [(pitch * (1.0 + 0.866 * i), pitch * (1.0 + j + 0.5 * (i % 2))) for i in range(7) for j in range(7)]
        imageio.imwrite(tmp_path / "a.png", balls(places, diameter_px, 10 * diameter_px, noise=3.0))
        done = alloyscope("particles", tmp_path / "a.png", "--pixel-nm", "0.5", cwd=tmp_path)
        number = int(done.stdout.split(": ")[1].split()[0])
        assert least <= number <= 49, done.stdout
        mean = float(done.stdout.split("touching ones ")[1].split()[0])
        assert mean == pytest.approx(0.5 * diameter_px, rel=0.1)
        assert ("touching ones may be missed or merged" in done.stdout) == (diameter_px < 10)


def layer(diameter_px: float, pitch: float, seed: int) -> tuple[list[tuple[float, float]], int]:
    """Places in islands of a hexagonal layer, a little off it, and the side of their image in pixels."""
    rng = np.random.default_rng(seed)
    apart_px = pitch * diameter_px
    rows = columns = 16
    there = gaussian_filter(rng.normal(size=(rows, columns)), 1.3)
    places = [
        (diameter_px + 0.866 * apart_px * i, diameter_px + apart_px * (j + 0.5 * (i % 2)))
        for i, j in zip(*np.nonzero(there > np.quantile(there, 0.55)), strict=True)
    ]
    moved = [tuple(np.add(place, rng.normal(0.0, 0.02 * diameter_px, 2))) for place in places]
    return moved, int(diameter_px * 18)


@pytest.mark.parametrize(
    ("diameter_px", "pitch", "noise"),
    [(5, 1.0, 3.0), (6, 1.0, 3.0), (7, 1.0, 6.0), (8, 0.93, 3.0), (10, 0.93, 8.0), (12, 1.0, 8.0), (16, 0.93, 8.0)],
)
def test_every_particle_of_a_dense_layer_is_found(diameter_px, pitch, noise):
    """They touch, or overlap by 7 %; nothing of the support is seen between most of them."""
    for seed in range(2):
        places, side_px = layer(diameter_px, pitch, seed)
        seen = look_at(balls(places, diameter_px, side_px, noise), 0.5, "learned")
        assert len(seen.particles) == pytest.approx(len(places), rel=0.05)
        far = [min(np.hypot(p.y_px - v, p.x_px - u) for p in seen.particles) for v, u in places]
        assert np.mean(np.array(far) < 0.4 * diameter_px) > 0.93
        sizes = np.array([p.diameter_nm.value for p in seen.particles])
        assert sizes.mean() == pytest.approx(0.5 * diameter_px, abs=0.5)
        assert np.mean([p.touching for p in seen.particles]) > 0.9
        assert not [note for note in seen.notes if "tops" in note]


def test_small_particles_that_levels_take_together_are_said_to_be():
    places, side_px = layer(8.0, 1.0, 0)
    seen = look_at(balls(places, 8.0, side_px, noise=3.0), 0.5, "watershed")
    assert len(seen.particles) < 0.5 * len(places)
    (note,) = [n for n in seen.notes if "small touching particles are taken together" in n]
    assert int(note.split()[0]) == pytest.approx(len(places), rel=0.05)


@pytest.mark.parametrize("noise", [5.0, 10.0, 20.0, 40.0])
def test_one_noisy_ball_is_one_particle(noise):
    """Of 180 px; its rim is dim, and noise has tops."""
    for side_px, seed in ((256, 0), (256, 1), (512, 0)):
        y, x = np.mgrid[:side_px, :side_px]
        far = np.hypot(y - 0.5 * side_px, x - 0.5 * side_px - 3.0) / 90.0
        ball = gaussian_filter(100.0 * np.sqrt(np.clip(1.0 - far**2, 0.0, None)), 0.8)
        image = ball + 20.0 + np.random.default_rng(seed).normal(0.0, noise, ball.shape)
        seen = look_at(image, 1.0, "learned")
        assert [p.shape for p in seen.particles] == ["round"]
        assert seen.particles[0].diameter_nm.value == pytest.approx(180.0, rel=0.02)
        assert seen.notes == ()


def test_the_summary_tells_touching_and_cut_ones_from_the_others(tmp_path):
    """Four apart, three in a row that touch, two that the edge cuts."""
    apart = [(60.0, 60.0), (60.0, 200.0), (200.0, 60.0), (200.0, 200.0)]
    touching = [(130.0, 100.0 + 30.0 * n) for n in range(3)]
    cut = [(255.0, 130.0), (130.0, 0.0)]
    imageio.imwrite(tmp_path / "a.png", balls([*apart, *touching, *cut], 30.0, 256))
    done = alloyscope("particles", tmp_path / "a.png", "--pixel-nm", "0.5", cwd=tmp_path)
    told = done.stdout
    assert "9 particles" in told
    assert "3 touching, 2 cut by the edge and left out of the sizes" in told
    sizes = [words.removeprefix("touching ones ") for words in told.split("; ")[1:]]
    assert ["mean of 4," in sizes[0], "mean of 3," in sizes[1]] == [True, True]
    for words in sizes:
        mean, _, std = words.split()[:3]
        assert abs(float(mean) - 15.0) < 2.0 * float(std) < 1.0
