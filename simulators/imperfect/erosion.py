"""Surfaces that move while a particle is hot: corners that round off, silver that leaves, a void that opens.

The surface is a level of the blurred particle. Blur moves it by curvature, the slower the flatter it is (Merriman,
Bence and Osher 1994); the level is the one that holds the wanted volume. Atoms that curvature takes from a corner
settle on the faces with the composition that they had, and so do those from where a void opens (Kirkendall's). Where
silver leaves, the gold of what it leaves stays behind in the skin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulators.specimens import Voxels

Field = NDArray[np.float32]

_LEAST_BLUR = 0.7
"""Voxels; makes the surface smooth enough to be moved by parts of a voxel."""
_LEAST_PART = 0.02
_SKIN_NM = 1.5


@dataclass(frozen=True)
class Void:
    """A hole, a ball, inside the particle."""

    centre_nm: tuple[float, float, float]
    """(z, y, x) from the particle's centre."""
    radius_nm: float

    def depth_nm(self, shape: tuple[int, ...], h: float) -> Field:
        """Below the hole's surface, positive inside the hole."""
        axes = [(np.arange(n) - 0.5 * (n - 1)) * h - c for n, c in zip(shape, self.centre_nm, strict=True)]
        z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
        return np.asarray(self.radius_nm - np.sqrt(z**2 + y**2 + x**2), np.float32)


def with_margin(voxels: Voxels, margin: int) -> Voxels:
    """More empty voxels around the particle, for a surface that moves outwards."""
    return replace(
        voxels,
        metal=np.pad(voxels.metal, margin),
        face_fractions=tuple(np.pad(face, margin) for face in voxels.face_fractions),
        gold=np.pad(voxels.gold, margin),
    )


def eroded(
    voxels: Voxels, gold: Field, volume_nm3: float, curvature_nm: float = 0.0, void: Void | None = None
) -> tuple[Voxels, Field]:
    """The particle with another surface and its gold fraction.

    Parameters
    ----------
    volume_nm3 : of the metal afterwards, at most what it is; what is missing was silver
    curvature_nm : standard deviation of the Gaussian whose blur moves the surface
    void : where the particle is hollow afterwards; one of before lies inside it
    """
    from scipy.ndimage import gaussian_filter
    from scipy.optimize import brentq

    h = voxels.voxel_nm
    hollow = np.full_like(voxels.metal, -np.inf) if void is None else void.depth_nm(voxels.metal.shape, h)
    full = np.where(hollow > -2.0 * h, np.float32(1.0), voxels.metal)
    blurred = gaussian_filter(full, float(np.hypot(_LEAST_BLUR, curvature_nm / h)))
    slope = np.maximum(np.sqrt(sum(g**2 for g in np.gradient(blurred))), 1e-6).astype(np.float32)
    wanted = volume_nm3 / h**3

    def part(level: float) -> Field:
        outside = np.clip(0.5 + (blurred - np.float32(level)) / slope, 0.0, 1.0)
        found = np.minimum(outside, np.clip(0.5 - hollow / h, 0.0, 1.0))
        return np.asarray(np.where(found < _LEAST_PART, 0.0, found), np.float32)

    level = float(brentq(lambda at: float(part(at).sum(dtype=np.float64)) - wanted, 0.02, 0.98, xtol=1e-5))
    metal = part(level)
    faces = tuple(_open_part(blurred, slope, metal, level, hollow / h, axis) for axis in range(3))
    return replace(voxels, metal=metal, face_fractions=faces), _carried(voxels.metal, gold, metal, h)


def _open_part(blurred: Field, slope: Field, metal: Field, level: float, hollow: Field, axis: int) -> Field:
    """Open part of the faces towards the next voxel along an axis."""
    at_face, steepness, depth = (0.5 * (field + np.roll(field, -1, axis)) for field in (blurred, slope, hollow))
    joined = (metal > 0) & (np.roll(metal, -1, axis) > 0)
    part = np.minimum(0.5 + (at_face - np.float32(level)) / steepness, 0.5 - depth)
    return np.where(joined, np.clip(part, 0.0, 1.0), 0.0).astype(np.float32)


def _carried(before: Field, gold: Field, after: Field, h: float) -> Field:
    """Gold fraction in the new shape; the amount of gold is kept."""
    from scipy.ndimage import distance_transform_edt

    kept = np.minimum(before, after)
    gone, come = before - kept, after - kept
    gold_gone = float((gone * gold).sum(dtype=np.float64))
    rate = gold_gone / max(float(gone.sum(dtype=np.float64)), 1e-9)
    amount = kept * gold + np.float32(rate) * come
    left_behind = gold_gone - rate * float(come.sum(dtype=np.float64))
    if left_behind > 0.0:
        skin = after * (distance_transform_edt(after > 0.5) * h < _SKIN_NM)
        amount += np.float32(left_behind / float(skin.sum(dtype=np.float64))) * skin
    return np.divide(amount, after, out=np.zeros_like(after), where=after > 0)
