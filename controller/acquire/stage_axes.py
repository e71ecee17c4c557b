"""How a stage's axes lie on the image, from pictures of one object before and after moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.results.estimate import Estimate

_BORDER = 0.15
"""Part of each side that fades out, so that what the field cuts does not hold the correlation back."""


Axis = Literal["x", "y"]
AXES: tuple[Axis, ...] = ("x", "y")


@dataclass(frozen=True)
class StageMove:
    """What the image showed of a move along one axis."""

    axis: Axis
    step_nm: float
    """As asked, with its sign; 0 for coming back to the same place from the other side."""
    seen_nm: NDArray[np.float64]
    """Displacement (y, x) of the content, less drift."""


@dataclass(frozen=True)
class StageAxes:
    """The content goes along ``(cos, sin) turn_deg`` in (x, y) of the image when the stage moves along +x."""

    turn_deg: Estimate
    """From the image's x towards its y."""
    mirrored: bool
    skew_deg: Estimate
    """By which the two axes are not perpendicular."""
    scale: dict[str, Estimate]
    """Way seen over way asked, by axis."""
    backlash_nm: dict[str, Estimate]
    """Way lost when the direction changes, by axis."""


def displacement_nm(before: NDArray[np.generic], after: NDArray[np.generic], pixel_nm: float) -> NDArray[np.float64]:
    """(y, x) by which the content of an image has moved, by phase correlation to a twentieth of a pixel."""
    from skimage.registration import phase_cross_correlation

    register: Any = phase_cross_correlation  # scikit-image ships no types
    windowed = [_faded(np.asarray(image, np.float64)) for image in (before, after)]
    shift, _, _ = register(windowed[1], windowed[0], upsample_factor=20, normalization=None)
    return np.asarray(shift, np.float64) * pixel_nm


def _faded(image: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.signal.windows import tukey

    dark = float(np.percentile(image, 20.0))
    rows, columns = (tukey(n, 2.0 * _BORDER) for n in image.shape)
    return np.asarray((image - dark) * rows[:, None] * columns, np.float64)


def stage_axes(moves: Sequence[StageMove]) -> StageAxes:
    """Turn, scale and backlash; their errors are those by which repeated moves scatter.

    Raises
    ------
    ValueError
        With fewer than two moves along each axis, or where nothing moved.
    """
    ways = {axis: _ways(moves, axis) for axis in AXES}
    if min(float(np.hypot(*w.mean(axis=0))) for w in ways.values()) < 0.1:
        raise ValueError("the stage was moved, and the image stayed where it was")
    along_x, along_y = ways["x"].mean(axis=0), ways["y"].mean(axis=0)
    mirrored = bool(along_x[1] * along_y[0] - along_x[0] * along_y[1] < 0.0)
    hand = -1.0 if mirrored else 1.0
    turned = {
        "x": np.degrees(np.arctan2(ways["x"][:, 0], ways["x"][:, 1])),
        "y": np.degrees(np.arctan2(-hand * ways["y"][:, 1], hand * ways["y"][:, 0])),
    }
    by_x, by_y = (_mean(_near(turned[axis], turned["x"][0])) for axis in AXES)
    std = 0.5 * float(np.hypot(by_x.std, by_y.std))
    return StageAxes(
        turn_deg=Estimate(_wrapped(0.5 * (by_x.value + by_y.value)), std),
        mirrored=mirrored,
        skew_deg=Estimate(hand * (by_y.value - by_x.value), 2.0 * std),
        scale={axis: _mean(np.hypot(*w.T)) for axis, w in ways.items()},
        backlash_nm={axis: _mean(_backlash_nm(moves, axis, w.mean(axis=0))) for axis, w in ways.items()},
    )


def _ways(moves: Sequence[StageMove], axis: str) -> NDArray[np.float64]:
    """(move, 2) displacement (y, x) for each nm asked along +axis."""
    found = [m.seen_nm / m.step_nm for m in moves if m.axis == axis and m.step_nm]
    if len(found) < 2:
        raise ValueError(f"two moves along {axis} are needed at least, found {len(found)}")
    return np.array(found)


def _backlash_nm(moves: Sequence[StageMove], axis: str, way: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the axis, of each return from the other side."""
    unit = way / float(way @ way)
    found = [float(m.seen_nm @ unit) for m in moves if m.axis == axis and not m.step_nm]
    return np.array(found or [0.0])


def _near(turn_deg: NDArray[np.float64], to_deg: float) -> NDArray[np.float64]:
    return np.asarray(to_deg + (turn_deg - to_deg + 180.0) % 360.0 - 180.0)


def _wrapped(turn_deg: float) -> float:
    return (turn_deg + 180.0) % 360.0 - 180.0


def _mean(values: NDArray[np.float64]) -> Estimate:
    std = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("inf")
    return Estimate(float(np.mean(values)), std)
