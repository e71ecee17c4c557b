import numpy as np
import pytest
from scipy.ndimage import rotate

from analysis.tomography.projector import project
from analysis.tomography.tilt_axis import believed_axis, find_tilt_axis, turned

TILTS = np.arange(-70.0, 71.0, 4.0)


@pytest.mark.parametrize("axis_deg", [-4.0, 0.0, 1.5])
def test_a_turned_axis_is_found_though_the_object_is_lopsided_and_drifts(axis_deg, rng):
    z, y, x = np.meshgrid(*[np.arange(64) - 31.5] * 3, indexing="ij")
    body = ((z - 3) ** 2 / 90 + (y + 2 + 0.2 * x) ** 2 / 50 + x**2 / 400 < 1).astype(np.float32)
    body += 2.0 * (((z - 4) ** 2 + (y + 4) ** 2 + (x - 8) ** 2) < 20)
    stack = project(body, TILTS)
    stack = np.stack([np.roll(s, rng.integers(-2, 3, 2), (0, 1)) for s in stack])
    # A screen's counter-clockwise turn of the axis, y down, is scipy's positive turn of the content.
    stack = rotate(stack, axis_deg, axes=(1, 2), reshape=False, order=3)
    stack = rng.poisson(30.0 * np.maximum(stack, 0)).astype(np.float32)
    assert find_tilt_axis(stack, TILTS) == pytest.approx(axis_deg, abs=0.25)
    upright = turned(stack, axis_deg)
    assert abs(find_tilt_axis(upright, TILTS)) < 0.25


def test_a_small_turn_and_a_short_series_are_left_alone(core_shell):
    stack = project(core_shell(48), TILTS)
    assert believed_axis(stack, TILTS) == 0.0
    assert believed_axis(stack[:10], TILTS[:10]) == 0.0
    assert turned(stack, 0.0) is stack
