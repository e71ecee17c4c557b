import numpy as np
import pytest

from analysis.tomography.alignment import align, cross_correlation_shift, shifted
from analysis.tomography.projector import project

TILTS = np.arange(-70.0, 71.0, 4.0)


def test_the_shift_is_what_must_be_added_to_the_moving_image(core_shell):
    image = core_shell(48).sum(axis=0)
    moved = shifted(image[None], np.array([[2.3, -1.6]]))[0]
    np.testing.assert_allclose(cross_correlation_shift(image, moved), [-2.3, 1.6], atol=0.06)


def test_shifting_there_and_back_changes_nothing(rng, core_shell):
    stack = project(core_shell(48), TILTS[:4])
    shifts = rng.normal(0, 2, (4, 2))
    again = shifted(shifted(stack, shifts), -shifts)
    assert np.abs(again - stack)[:, 8:-8, 8:-8].max() < 0.02 * stack.max()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_displacements_are_found_to_a_fifth_of_a_pixel(seed, core_shell):
    rng = np.random.default_rng(seed)
    stack = rng.poisson(20.0 * project(core_shell(56), TILTS)).astype(np.float32) / 20.0
    moves = np.cumsum(rng.normal(0, 0.8, (len(TILTS), 2)), axis=0)
    alignment = align(shifted(stack, moves), TILTS)
    left = alignment.shifts_px + moves
    # A constant in x, and a cos + b sin in y, are a displacement of the object, not a misalignment.
    angles = np.radians(TILTS)
    for column, modes in ((0, np.stack([np.cos(angles), np.sin(angles)], axis=1)), (1, np.ones((len(TILTS), 1)))):
        rest = left[:, column] - modes @ np.linalg.lstsq(modes, left[:, column], rcond=None)[0]
        assert np.sqrt(np.mean(rest**2)) < 0.2, f"seed {seed}"


def test_a_stack_is_moved_in_parts_as_in_one(rng, monkeypatch):
    stack, shifts_px = rng.random((7, 20, 23)).astype(np.float32), rng.uniform(-3.0, 3.0, (7, 2))
    whole = shifted(stack, shifts_px)
    monkeypatch.setattr("analysis.tomography.alignment._PIXELS_AT_ONCE", 2 * 34 * 37)
    np.testing.assert_array_equal(shifted(stack, shifts_px), whole)
