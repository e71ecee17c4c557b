"""Particles of few pixels, touching ones, and a large one in noise: none merged, split, or passed over in silence."""

import imageio.v3 as imageio
import numpy as np
import pytest

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
