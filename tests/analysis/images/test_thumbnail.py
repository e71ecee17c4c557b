"""What a large image looks like when it is small."""

import numpy as np
import pytest

from analysis.images.thumbnail import shrunk, stride_for, thumbnail


@pytest.mark.parametrize("shape", [(96, 96), (97, 200), (1024, 1024), (300, 41), (1, 500)])
def test_its_shape_is_that_of_every_nth_pixel_and_what_is_even_stays(shape):
    times = stride_for(shape, 96)
    small = shrunk(np.full(shape, 37, np.uint8), times)
    assert small.shape == np.empty(shape)[::times, ::times].shape
    assert max(small.shape) <= 96
    assert (small == 37.0).all()


def test_noise_averages_out_and_nothing_moves(rng):
    y, x = np.indices((1000, 1000))
    ball = 40.0 * (np.hypot(y - 400, x - 600) < 150)
    small = shrunk(rng.poisson(20.0 + ball).astype(np.uint16), 10)
    sky = small[80:, :40]
    assert sky.std() == pytest.approx(20.0**0.5 / 4.0, rel=0.1)  # of 16 pixels
    weights = small - 20.0
    weights[weights < 20.0] = 0.0
    rows, columns = np.indices(small.shape)
    centre = [10.0 * (weights * at).sum() / weights.sum() for at in (rows, columns)]
    # A block begins at its first pixel, and the pixels looked at reach over most of it.
    assert np.allclose(centre, (400.0 - 4.0, 600.0 - 4.0), atol=2.0)


def test_a_thumbnail_goes_from_black_to_white():
    image = np.add.outer(np.arange(500.0), np.arange(700.0))
    small = thumbnail(image, 96)
    assert small.dtype == np.uint8
    assert (small.min(), small.max()) == (0, 255)
    assert (np.diff(small.astype(int), axis=0) >= 0).all()
