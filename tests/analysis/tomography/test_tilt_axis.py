import numpy as np
import pytest
from scipy.ndimage import rotate

from analysis.tomography.projector import project
from analysis.tomography.tilt_axis import believed_axis, coarse_axis, find_tilt_axis, turned

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


def rod_beside_other_things(half: float, step: float, neighbour: float) -> np.ndarray:
    """A coated rod along x that turns about itself, over a film's wandering edge; a neighbour enters at high tilt."""
    z, y, x = np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5, np.arange(96) - 47.5, indexing="ij")
    radius = np.hypot(z, y) * np.clip((np.abs(x) - (half - 12.0)) / 12.0 + 1.0, 1.0, None)
    body = ((radius < 14) & (np.abs(x) < half)).astype(np.float32) + ((radius < 8) & (np.abs(x) < half - 6.0))
    stack = project(np.asarray(body, np.float32), TILTS)
    entered = np.clip((np.abs(TILTS) - 50.0) / 20.0, 0.0, 1.0).astype(np.float32)
    stack[:, :, :24] += np.float32(neighbour) * entered[:, None, None]
    return stack + np.float32(step) * (np.arange(96) > 30.0 + 0.3 * TILTS[:, None, None])


@pytest.mark.parametrize("half", [36.0, 42.0])
@pytest.mark.parametrize("step", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("neighbour", [0.0, 2.0, 5.0])
def test_of_a_rod_that_turns_about_itself_the_axis_stays_along_x(half, step, neighbour):
    """No profile of it changes much, along or across: what little does must not turn it by a quarter."""
    assert coarse_axis(rod_beside_other_things(half, step, neighbour)) == 0.0


def test_a_rod_across_the_axis_is_told_by_how_its_length_changes():
    z, y, x = np.meshgrid(*[np.arange(64) - 31.5] * 3, indexing="ij")
    across = ((z**2 + x**2 < 60) & (np.abs(y) < 22)).astype(np.float32)
    stack = project(across, TILTS)
    assert coarse_axis(stack) == 0.0
    assert coarse_axis(np.ascontiguousarray(np.rot90(stack, axes=(1, 2)))) == 90.0
