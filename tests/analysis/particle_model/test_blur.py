"""The blur of projections, against SciPy's Gaussian."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from analysis.particle_model.blur import _blur, _weights, blurred


@pytest.mark.parametrize("blur_px", [0.3, 0.9, 1.6, 4.0])
def test_it_is_a_gaussian_with_a_pixel_less_across_the_axis(rng, blur_px):
    stack = rng.random((3, 17, 22)).astype(np.float32)
    across_px = np.sqrt(max(blur_px**2 - 1.0 / 12.0, 0.04))
    expected = gaussian_filter(stack, (0.0, across_px, blur_px), truncate=3.5, mode="constant")
    np.testing.assert_allclose(blurred(stack, blur_px), expected, atol=1e-6)


def test_it_takes_projections_that_are_a_part_of_others_and_fewer_than_it_reaches(rng):
    whole = rng.random((2, 9, 5)).astype(np.float32)
    part = whole[:, 3:5]
    np.testing.assert_array_equal(blurred(part, 2.0), blurred(part.copy(), 2.0))
    assert blurred(part, 2.0).sum() < part.sum()


def test_the_kernel_is_the_same_compiled_and_plain(rng):
    stack = rng.random((2, 5, 6)).astype(np.float32)
    compiled, plain = np.zeros_like(stack), np.zeros_like(stack)
    weights = _weights(0.7), _weights(1.1)
    _blur(stack, *weights, compiled)
    _blur.py_func(stack, *weights, plain)
    np.testing.assert_allclose(compiled, plain, atol=1e-6)
