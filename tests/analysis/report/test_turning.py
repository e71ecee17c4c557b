"""The moving picture of a particle: it turns once about the tilt axis, both states in one scale."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageSequence

from analysis.report.turning import turning_gif


def frames_of(gif: bytes) -> list[np.ndarray]:
    """Brightness of each frame."""
    with Image.open(BytesIO(gif)) as picture:
        return [np.asarray(frame.convert("L"), float) for frame in ImageSequence.Iterator(picture)]


def bar(length: int, width: int = 4, n: int = 40) -> np.ndarray:
    """Along y, so that it is seen end on after a quarter turn about x."""
    volume = np.zeros((n, n, n), np.float32)
    low, high = (n - length) // 2, (n + length) // 2
    middle = slice((n - width) // 2, (n + width) // 2)
    volume[middle, low:high, middle] = 1.0
    return volume


def test_it_turns_once_about_the_tilt_axis():
    frames = frames_of(turning_gif([bar(30)]))
    assert len(frames) == 36
    heights = [float(np.ptp(np.flatnonzero((f > f.min() + 20).any(axis=1))) + 1) for f in frames]
    widths = [float(np.ptp(np.flatnonzero((f > f.min() + 20).any(axis=0))) + 1) for f in frames]
    assert heights[0] == pytest.approx(heights[18], rel=0.05)
    assert max(heights) > 5 * min(heights)
    assert min(heights[7:12]) == min(heights)
    assert np.ptp(widths) <= 0.5 * min(widths)


def test_two_states_stand_side_by_side_in_one_scale_whatever_their_sizes():
    dim = 0.5 * np.pad(bar(30), 3)
    both = frames_of(turning_gif([bar(30), dim]))[0]
    left, right = both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]
    assert left.max() > right.max() > both.min() + 20
    lone = frames_of(turning_gif([bar(30)]))[0]
    assert both.shape[1] > 1.5 * lone.shape[1]


def test_an_empty_volume_is_dark_and_a_large_one_small():
    assert np.ptp(frames_of(turning_gif([np.zeros((8, 9, 10), np.float32)]))[0]) == 0.0
    assert max(frames_of(turning_gif([np.ones((150, 150, 130), np.float32)]))[0].shape) <= 224
