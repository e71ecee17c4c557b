"""Where the tilt axis points in the images, from what projection conserves along it.

At every column x of the images, the centre of mass across the axis describes ``y0 cos t + z0 sin t``, with y0 and z0
of that slice. An axis turned by a small angle phi mixes neighbouring slices, and the first moment f of a column with
mass m and second moment q becomes

    f(t, x) = m (y0(x) cos t + z0(x) sin t) + s(t) m + phi (x m + dq/dx),

with s(t) the drift across the axis. All of m, q and x are read from the images, so phi is a linear least-squares
unknown beside y0, z0 and s: the projection moments' consistency (Helgason and Ludwig), to first order in phi.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.alignment import centre_on_axis, match_profiles, neighbour_shifts, shifted, smoothed
from analysis.tomography.projector import Stack

_FAINT = 0.08
"""Of the brightest: silica and noise do not count."""
_LIGHT_COLUMN = 0.3
_LEAST_TURN_DEG, _MOST_TURN_DEG = 0.3, 15.0
"""Smaller turns are not told from none; larger ones are not believed."""
_FEWEST_TILTS = 15
_ROUNDS = 6
_DONE_DEG = 0.03
_COARSE_DEG = 15.0
_COARSE_PX = 64
"""Images are binned to about so many pixels for a first look at all directions."""
_GOOD, _BETTER = 0.05, 0.25
"""Change from tilt to tilt of the profile along an axis, at most; and over that along x and along most directions."""


def find_tilt_axis(stack: Stack, tilts_deg: NDArray[np.float64]) -> float:
    """Angle in degrees of the tilt axis from the images' x axis, counter-clockwise as seen on a screen (y down).

    Parameters
    ----------
    stack : (tilt, y, x) unaligned, zero background; the object must end inside the field across the axis
    """
    shifts = neighbour_shifts(smoothed(stack), tilts_deg)
    axis_deg = 0.0
    for _ in range(_ROUNDS):
        smooth = smoothed(turned(stack, axis_deg))
        bright = np.where(smooth > _FAINT * np.percentile(smooth, 99.5), smooth, 0.0)
        shifts[:, 0] = centre_on_axis(bright, axis=1)
        shifts[:, 1] = match_profiles(smooth, shifts[:, 1])
        found = _turn_deg(np.maximum(shifted(bright, shifts), 0.0), tilts_deg)
        axis_deg -= found
        if abs(found) < _DONE_DEG:
            break
    return axis_deg


def believed_axis(stack: Stack, tilts_deg: NDArray[np.float64]) -> float:
    """The tilt axis in degrees above -45 to 135, or 0 where it cannot be told from the x axis.

    Which end of an axis far from x is which the images do not tell: the volume may be its own mirror image.
    """
    if not axis_can_be_told(tilts_deg):
        return 0.0
    coarse_deg = coarse_axis(stack)
    found = find_tilt_axis(turned(stack, coarse_deg), tilts_deg)
    fine_deg = found if _LEAST_TURN_DEG < abs(found) < _MOST_TURN_DEG else 0.0
    return 135.0 - (135.0 - coarse_deg - fine_deg) % 180.0


def axis_can_be_told(tilts_deg: NDArray[np.float64]) -> bool:
    """Whether there are tilts enough to find the axis by."""
    return len(tilts_deg) >= _FEWEST_TILTS and bool(np.ptp(tilts_deg) >= 60.0)


def coarse_axis(stack: Stack) -> float:
    """The multiple of 15 deg nearest to the tilt axis; 0 unless another is clearly better.

    What is summed across the axis is the same at every tilt, along the axis, but for a shift.
    """
    step = max(1, min(stack.shape[1:]) // _COARSE_PX)
    rows, columns = (n // step * step for n in stack.shape[1:])
    small = stack[:, :rows, :columns].reshape(len(stack), rows // step, step, columns // step, step).mean(axis=(2, 4))
    small = smoothed(small)
    bright = np.where(small > _FAINT * np.percentile(small, 99.5), small, 0.0)
    along_x = _change_along_axis(bright)
    # Nor where x may be one as well: of a rod that turns about itself no profile changes much, along or across.
    if not along_x > _GOOD:
        return 0.0
    angles_deg = np.arange(-90.0 + _COARSE_DEG, 90.1, _COARSE_DEG)
    change = {float(a): _change_along_axis(turned(bright, float(a))) for a in angles_deg}
    best_deg = min(change, key=lambda a: change[a])
    usual = min(along_x, float(np.median(list(change.values()))))
    return best_deg if change[best_deg] < min(_GOOD, _BETTER * usual) else 0.0


def _change_along_axis(stack: Stack) -> float:
    """Of the profile along x, from tilt to tilt, as a part of its own variance."""
    shifts = match_profiles(stack, centre_on_axis(stack, axis=2))
    frequency = np.fft.fftfreq(stack.shape[2])
    profiles = np.fft.ifft(np.fft.fft(stack.sum(axis=1)) * np.exp(-2j * np.pi * frequency * shifts[:, None])).real
    profiles = profiles / np.maximum(profiles.mean(axis=1, keepdims=True), 1e-9)
    mean = profiles.mean(axis=0)
    return float(((profiles - mean) ** 2).mean() / max(float(mean.var()), 1e-12))


def turned(stack: Stack, axis_deg: float) -> Stack:
    """The stack with a tilt axis at this angle turned onto x; by quarters of a turn nothing is interpolated."""
    from scipy.ndimage import rotate

    quarters = round(axis_deg / 90.0)
    rest_deg = axis_deg - 90.0 * quarters
    stack = np.ascontiguousarray(np.rot90(stack, -quarters, axes=(1, 2))) if quarters else stack
    if rest_deg == 0.0:
        return stack
    return np.asarray(rotate(stack, -rest_deg, axes=(1, 2), reshape=False, order=3, mode="nearest"), np.float32)


def _turn_deg(stack: Stack, tilts_deg: NDArray[np.float64]) -> float:
    """The remaining turn phi, positive where y (down) grows with x."""
    tilts, rows, columns = stack.shape
    y, x = np.arange(rows) - 0.5 * (rows - 1), np.arange(columns) - 0.5 * (columns - 1)
    mass = stack.sum(axis=1)
    first, second = np.einsum("tyx,y->tx", stack, y), np.einsum("tyx,y->tx", stack, y * y)
    centre = (first.sum(axis=1) / np.maximum(mass.sum(axis=1), 1e-9))[:, None]
    second = second - 2.0 * centre * first + centre**2 * mass
    first = first - centre * mass
    heavy = np.flatnonzero(mass.mean(axis=0) > _LIGHT_COLUMN * mass.mean(axis=0).max())
    heavy = heavy[(heavy > 3) & (heavy < columns - 4)]
    if len(heavy) < 5:
        return 0.0
    unknowns = np.zeros((tilts, len(heavy), 1 + tilts))
    unknowns[:, :, 0] = (mass * x + np.gradient(second, axis=1))[:, heavy]
    unknowns[np.arange(tilts), :, 1 + np.arange(tilts)] = mass[:, heavy]
    data = first[:, heavy]
    ellipse = np.stack([np.cos(np.radians(tilts_deg)), np.sin(np.radians(tilts_deg))], axis=1)
    for k, column in enumerate(heavy):
        own, _ = np.linalg.qr(ellipse * mass[:, column, None])
        unknowns[:, k] -= own @ (own.T @ unknowns[:, k])
        data[:, k] -= own @ (own.T @ data[:, k])
    found = np.linalg.lstsq(unknowns.reshape(-1, 1 + tilts), data.ravel(), rcond=1e-8)[0]
    return float(np.degrees(found[0]))
