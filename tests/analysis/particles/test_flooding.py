"""Floods equal those of scikit-image, and obey the laws of a reconstruction."""

import numpy as np
import pytest
from skimage.morphology import reconstruction

from analysis.particles.flooding import flooded


def image(seed: int) -> np.ndarray:
    """Noise, plateaus of equal values and a winding ridge, whose flood goes against both scans."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 60, 2))
    made = np.round(rng.normal(0.0, 1.0, shape), int(rng.integers(0, 3)))
    made[::4, 1:] += 6.0
    made[2::8, :1] += 6.0
    made[::8, -1:] += 3.0
    return made


@pytest.mark.parametrize("seed", range(40))
def test_a_flood_is_that_of_scikit_image(seed):
    made, height = image(seed), 0.3 * (1 + seed % 7)
    assert np.array_equal(flooded(made, height), reconstruction(made - height, made))


@pytest.mark.parametrize("seed", range(5))
def test_laws(seed):
    made, height = image(seed), 1.0
    found = flooded(made, height)
    assert (found <= made).all()
    assert (found >= made - height).all()
    assert np.isclose(found.max(), made.max() - height), "the highest top is cut by all of the height"
    assert np.array_equal(flooded(made[::-1, ::-1], height), found[::-1, ::-1]), "no direction is another's better"
    assert np.array_equal(flooded(made, 0.0), made)


def test_an_even_image_stays_even():
    assert np.array_equal(flooded(np.full((7, 9), 3.0), 2.0), np.full((7, 9), 1.0))
