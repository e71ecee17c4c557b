"""Particle shapes as signed distances in nm: negative inside, zero on the surface.

Every shape is a function of coordinates (z, y, x) in nm from the particle's centre and is built with its long
axis along x. Faceted shapes use the largest face distance, exact at the surface.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = Callable[[Array, Array, Array], Array]


def sphere(radius_nm: float) -> Shape:
    """A ball."""

    def distance(z: Array, y: Array, x: Array) -> Array:
        return np.asarray(np.sqrt(z * z + y * y + x * x) - radius_nm)

    return distance


def cube(edge_nm: float, rounding: float = 0.08) -> Shape:
    """A cube whose edges and vertices are rounded with a radius of `rounding` edges."""
    radius = rounding * edge_nm
    half = 0.5 * edge_nm - radius

    def distance(z: Array, y: Array, x: Array) -> Array:
        q = [np.abs(a) - half for a in (z, y, x)]
        outside = np.sqrt(sum(np.maximum(a, 0.0) ** 2 for a in q))
        inside = np.minimum(np.maximum(np.maximum(q[0], q[1]), q[2]), 0.0)
        return np.asarray(outside + inside - radius)

    return distance


def octahedron(edge_nm: float, truncation: float = 0.1) -> Shape:
    """An octahedron with (111) faces, vertices cut at `truncation` of the way to the centre."""
    tip = edge_nm / np.sqrt(2.0)

    def distance(z: Array, y: Array, x: Array) -> Array:
        face = (np.abs(z) + np.abs(y) + np.abs(x) - tip) / np.sqrt(3.0)
        cut = np.maximum(np.maximum(np.abs(z), np.abs(y)), np.abs(x)) - (1.0 - truncation) * tip
        return np.asarray(np.maximum(face, cut))

    return distance


def rod(diameter_nm: float, aspect: float) -> Shape:
    """A cylinder along x with hemispherical ends; `aspect` = total length over diameter."""
    radius = 0.5 * diameter_nm
    half = radius * (aspect - 1.0)

    def distance(z: Array, y: Array, x: Array) -> Array:
        along = np.maximum(np.abs(x) - half, 0.0)
        return np.asarray(np.sqrt(z * z + y * y + along * along) - radius)

    return distance


def pentagonal_rod(diameter_nm: float, aspect: float) -> Shape:
    """A pentatwinned rod along x: pentagonal prism, each end closed by a blunt five-sided pyramid."""
    apothem = 0.5 * diameter_nm * np.cos(np.pi / 5)
    half = 0.5 * diameter_nm * aspect
    slope = np.arctan2(apothem, 0.5 * diameter_nm)

    def distance(z: Array, y: Array, x: Array) -> Array:
        side = _pentagon(z, y)
        cap = (np.abs(x) - half) * np.sin(slope) + side * np.cos(slope)
        return np.asarray(np.maximum(side - apothem, cap))

    return distance


def pentagonal_bipyramid(diameter_nm: float, aspect: float, tip: float = 0.55) -> Shape:
    """A pentatwinned bipyramid along x, truncated where its width has shrunk to `tip` of the waist."""
    apothem = 0.5 * diameter_nm * np.cos(np.pi / 5)
    half = 0.5 * diameter_nm * aspect
    shrink = (1.0 - tip) * apothem / half
    norm = np.hypot(1.0, shrink)

    def distance(z: Array, y: Array, x: Array) -> Array:
        side = (_pentagon(z, y) - apothem + shrink * np.abs(x)) / norm
        return np.asarray(np.maximum(side, np.abs(x) - half))

    return distance


def rotated(shape: Shape, in_plane_deg: float, about_axis_deg: float = 0.0) -> Shape:
    """The shape turned about its own long axis x, then in the (y, x) plane of the support."""
    a, b = np.radians(in_plane_deg), np.radians(about_axis_deg)

    def distance(z: Array, y: Array, x: Array) -> Array:
        along = np.cos(a) * x + np.sin(a) * y
        across = -np.sin(a) * x + np.cos(a) * y
        return shape(np.cos(b) * z - np.sin(b) * across, np.sin(b) * z + np.cos(b) * across, along)

    return distance


def _pentagon(z: Array, y: Array) -> Array:
    """Largest distance along the five face normals of a pentagonal prism."""
    far = np.asarray(y + 0.0 * z)
    for angle in 2.0 * np.pi * np.arange(1, 5) / 5:
        np.maximum(far, np.cos(angle) * y + np.sin(angle) * z, out=far)
    return far
